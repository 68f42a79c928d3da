"""The host's side of a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from .models import DeviceModel
from .transport import Transport


@dataclass(frozen=True)
class StepTime:
    """Time of one step of the last inference. ticks: of the device's counter."""

    index: int
    name: str
    ticks: int
    seconds: float


@dataclass(frozen=True)
class Marks:
    """Most memory the last inference used, in bytes; None where the device cannot tell.

    stack: below the session's own frame. arena: up to the highest byte that was written.
    """

    stack: int | None
    arena: int | None


class Session:
    """A session with a device; a context manager that closes the transport at its end.

    transport    the line
    timeout_s    how long a device may be silent before SessionError
    run_timeout_s  how long an inference may take

    Raises SessionError if nobody answers, or a device of another version does.
    """

    models: tuple[DeviceModel, ...]

    def __init__(
        self, transport: Transport, *, timeout_s: float = 10.0, run_timeout_s: float = 120.0
    ) -> None:
        raise NotImplementedError

    def run(
        self,
        inputs: Sequence[np.ndarray] | Mapping[str, np.ndarray],
        model: str | None = None,
        *,
        measure: bool = False,
    ) -> list[np.ndarray]:
        """One inference; outputs in the model's order.

        inputs   in the model's order or by name, of the C's shape and dtype
        model    its name; may be left out where there is one
        measure  also take the marks of stack and arena (fills both first)

        Raises DataError if an input does not fit, SessionError if the device fails.
        """
        raise NotImplementedError

    def timing(self) -> tuple[StepTime, ...]:
        """Time of each step of the last inference; empty where the device takes none."""
        raise NotImplementedError

    @property
    def seconds(self) -> float | None:
        """Time of the last inference by the device's counter; None if it has none."""
        raise NotImplementedError

    @property
    def marks(self) -> Marks:
        """High-water marks of the last inference; SessionError if it was not measured."""
        raise NotImplementedError

    def reset(self) -> None:
        """Resets the device, or where it cannot its session, and connects again."""
        raise NotImplementedError

    def close(self) -> None:
        """Closes the transport."""
        raise NotImplementedError

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
