"""A profile as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .layers import Step
from .sums import Work


@dataclass(frozen=True)
class Layer:
    """A layer's kernel with all it calls, from its first instruction to its return.

    calls: of the kernel, one a row; None where only instructions are known.
    """

    step: Step
    calls: int | None
    work: Work


@dataclass(frozen=True)
class Profile:
    """One inference.

    counter       "plugin" (exact) or "timer" (the board's, see profile_timer)
    layers        by index
    driver        what calls them, and copies pushed rows; with the timer it is in the layers
    caller        of streamed input: the loop that pushes rows, which is not the model's
    interrupts    instructions of interrupts meanwhile, in no other figure
    functions     the instructions of layers and driver by function; None with the timer
    board_count   what the board's counter says of this inference, see `RunResult`
    stack_bytes   see `RunResult`
    notes         what the reader must know, each a line
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
        """Of layers and driver: of the model."""
        return sum((layer.work for layer in self.layers), self.driver)
