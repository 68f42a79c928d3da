"""The host's side of a session."""

from __future__ import annotations

import contextlib
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

import numpy as np

from tvm_tiny.errors import DataError, SessionError
from tvm_tiny.interface import Port
from tvm_tiny.text import did_you_mean

from .line import Transport
from .link import LineCounts, Link, LostSessionError, Timing
from .models import DeviceModel, read_description
from .requests import HAS_STACK, MEASURE_ARENA, MEASURE_STACK, NO_FIGURE, Device, Kind

#: How often one call starts over because the device has lost the session.
_RESTARTS = 5

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class StepTime:
    """Time of one step of the last inference. ticks: time in ticks of the device's counter."""

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

    transport      the line to the device
    timeout_s      how long a device may be silent before SessionError
    run_timeout_s  how long an inference may take
    retry_s        when a request is first sent again
    clock, new_id  give the time in seconds and the number of a new session; tests replace them

    Raises SessionError if no device answers, or one of another version of the protocol.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        timeout_s: float = 10.0,
        run_timeout_s: float = 120.0,
        retry_s: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
        new_id: Callable[[], int] | None = None,
    ) -> None:
        timing = Timing(timeout_s, retry_s, clock)
        ids = {} if new_id is None else {"new_id": new_id}
        self._transport = transport
        self._link = Link(transport, timing, **ids)
        self._run_timeout_s = run_timeout_s
        self._ran: DeviceModel | None = None
        self._measured = False
        self._figures: tuple[int, int, int] | None = None
        try:
            self.device, self.models = self._retrying(self._open)
        except BaseException:
            transport.close()
            raise

    device: Device
    #: The models that the device can run, in the device's order.
    models: tuple[DeviceModel, ...]

    def run(
        self,
        inputs: Sequence[np.ndarray] | Mapping[str, np.ndarray],
        model: str | None = None,
        *,
        measure: bool = False,
    ) -> list[np.ndarray]:
        """One inference; outputs in the model's order.

        inputs   arrays in the model's order or by name, with the shape and dtype of the generated C
        model    its name; may be left out where the device has one model
        measure  also measure stack and arena, which the device fills with a pattern first

        Raises DataError if an input does not fit, SessionError if the device fails.
        """
        index = self._find(model)
        arrays = _arrays(self.models[index], inputs)
        self._ran = None
        outputs = self._retrying(lambda: self._run(index, arrays, measure), self._reopen)
        self._ran, self._measured, self._figures = self.models[index], measure, None
        return outputs

    def timing(self) -> tuple[StepTime, ...]:
        """Time of each step of the last inference; empty where the device takes none."""
        steps = self._last().steps
        rate = self.device.ticks_per_second
        if not steps or not rate:
            return ()
        ticks: list[int] = []
        while len(ticks) < len(steps):
            data = self._after(Kind.TIMES, struct.pack("<I", len(ticks)))
            more = struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])
            if not more:
                raise SessionError(f"the device took the time of {len(ticks)} steps only")
            ticks += more
        named = zip(steps, ticks, strict=False)
        return tuple(StepTime(k, name, n, n / rate) for k, (name, n) in enumerate(named))

    @property
    def seconds(self) -> float | None:
        """Time of the last inference by the device's counter; None if it has none."""
        ticks = self._marks()[0]
        return None if ticks == NO_FIGURE else ticks / self.device.ticks_per_second

    @property
    def marks(self) -> Marks:
        """High-water marks of the last inference; SessionError if it was not measured."""
        if self._last() and not self._measured:
            raise SessionError("the last inference was not measured: run it with measure=True")
        _, stack, arena = (None if n == NO_FIGURE else n for n in self._marks())
        return Marks(stack, arena)

    @property
    def counts(self) -> LineCounts:
        """Counts of frames sent, frames sent again, and bytes received that were no frame."""
        return self._link.counts

    def reset(self) -> None:
        """Resets the device and connects again; a device that cannot reset ends its session.

        Raises SessionError if the device has other models afterwards, or does not come back.
        """
        self._ran = None
        with contextlib.suppress(LostSessionError, SessionError):
            # The device may reset before its answer has left.
            self._link.request(Kind.RESET, timeout_s=1.0)
        self._retrying(self._reopen)

    def close(self) -> None:
        """Closes the transport."""
        self._transport.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _retrying(
        self, action: Callable[[], _Result], before: Callable[[], object] | None = None
    ) -> _Result:
        """The result of `action`, which starts over where the device has lost the session.

        before: called before each new start.
        """
        for attempt in range(_RESTARTS + 1):
            with contextlib.suppress(LostSessionError):
                if attempt and before is not None:
                    before()
                return action()
        raise SessionError(
            f"the device on {self._transport.name} was reset, or opened another session, "
            f"{_RESTARTS + 1} times within one call"
        )

    def _open(self) -> tuple[Device, tuple[DeviceModel, ...]]:
        device = self._link.hello()
        texts = [self._description(index) for index in range(device.models)]
        if zlib.crc32(b"".join(texts)) != device.catalog:
            raise SessionError("the device's descriptions of its models are damaged")
        return device, tuple(map(read_description, texts))

    def _description(self, index: int) -> bytes:
        text = b""
        while piece := self._link.request(Kind.DESCRIBE, struct.pack("<BI", index, len(text))):
            text += piece
        return text

    def _reopen(self) -> None:
        device = self._link.hello()
        if device != self.device:
            raise SessionError(
                "the device came back with another firmware or other models: open a new session"
            )

    def _find(self, name: str | None) -> int:
        names = [model.name for model in self.models]
        if name is None and len(names) == 1:
            return 0
        if name is None:
            raise DataError(f"the device has {len(names)} models: name one of {', '.join(names)}")
        if name not in names:
            raise DataError(f"the device has no model {name!r}{did_you_mean(name, names)}")
        return names.index(name)

    def _run(self, index: int, arrays: Sequence[np.ndarray], measure: bool) -> list[np.ndarray]:
        flags = MEASURE_ARENA | (MEASURE_STACK if self.device.has & HAS_STACK else 0)
        self._link.request(Kind.BEGIN, bytes([index, flags if measure else 0]), self._run_timeout_s)
        for k, array in enumerate(arrays):
            for offset, piece in _chunks(array.tobytes(), self.device.chunk):
                fields = struct.pack("<BI", k, offset)
                # The device computes on each row of a streamed input as it arrives.
                self._link.request(Kind.WRITE, fields + piece, self._run_timeout_s)
        self._link.request(Kind.RUN, timeout_s=self._run_timeout_s)
        return [self._read(k, port) for k, port in enumerate(self.models[index].outputs)]

    def _read(self, index: int, port: Port) -> np.ndarray:
        data = b""
        while len(data) < port.bytes:
            piece = self._link.request(Kind.READ, struct.pack("<BI", index, len(data)))
            if not piece:
                break
            data += piece
        if len(data) != port.bytes:
            raise SessionError(f"output {port.name!r} has {len(data)} of {port.bytes} bytes")
        return np.frombuffer(data, port.dtype).reshape(port.shape)

    def _last(self) -> DeviceModel:
        if self._ran is None:
            raise SessionError("nothing has run yet in this session")
        return self._ran

    def _marks(self) -> tuple[int, int, int]:
        self._last()
        if self._figures is None:
            ticks, stack, arena = struct.unpack("<3I", self._after(Kind.MARKS))
            self._figures = (ticks, stack, arena)
        return self._figures

    def _after(self, kind: Kind, data: bytes = b"") -> bytes:
        """The answer to a request about the last inference; SessionError if that is lost."""
        try:
            return self._link.request(kind, data)
        except LostSessionError:
            self._ran = None
            raise SessionError(
                "the device was reset since the inference, its figures are lost: run it again"
            ) from None


def _chunks(data: bytes, size: int) -> Iterator[tuple[int, bytes]]:
    for offset in range(0, len(data), size):
        yield offset, data[offset : offset + size]


def _arrays(
    model: DeviceModel, inputs: Sequence[np.ndarray] | Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    """The inputs in the model's order; DataError if they do not fit the model."""
    names = [port.name for port in model.inputs]
    if isinstance(inputs, Mapping):
        if sorted(inputs) != sorted(names):
            raise DataError(
                f"model {model.name!r} has inputs {', '.join(names)}; given: "
                f"{', '.join(map(str, sorted(inputs))) or 'none'}"
            )
        inputs = [inputs[name] for name in names]
    if len(inputs) != len(names):
        raise DataError(f"model {model.name!r} has {len(names)} inputs; given: {len(inputs)}")
    for port, array in zip(model.inputs, inputs, strict=True):
        if array.dtype != np.dtype(port.dtype) or array.shape != port.shape:
            raise DataError(
                f"input {port.name!r} of model {model.name!r} is {port.dtype} {list(port.shape)}; "
                f"given: {array.dtype} {list(array.shape)}"
            )
    return list(inputs)
