"""A profile as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .layers import Step
from .sums import Work


@dataclass(frozen=True)
class Layer:
    """A layer's kernel with all it calls, from its first instruction to its return.

    calls: number of calls of the kernel, one for each row; None where only instructions are known.
    """

    step: Step
    calls: int | None
    work: Work


@dataclass(frozen=True)
class Profile:
    """The work of one inference, by part.

    counter       "plugin" (exact) or "timer" (the board's counter, see timer.py)
    layers        layers by index
    driver        the code that calls the layers and copies streamed rows; with the timer its work
                  is counted in the layers
    caller        the loop of the firmware that streams rows into the model
    interrupts    instructions of interrupts during the inference, which no other figure includes
    functions     work of layers and driver by function; None with the timer
    board_count   instructions by the board's own counter, see `RunResult`
    stack_bytes   see `RunResult`
    notes         remarks for the reader, one line each
    """

    board: str
    counter: str
    layers: tuple[Layer, ...]
    driver: Work
    caller: Work
    interrupts: int
    functions: Mapping[str, Work] | None
    board_count: int
    stack_bytes: int | None
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> Work:
        """Work of the model: of all layers and the driver."""
        return sum((layer.work for layer in self.layers), self.driver)
