"""The driver of the generated C as data: kernels, their order and their memory.

The code generator hands over the very numbers that it prints. They are decoded here and in
`orders`, without any of its code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pointer:
    """An argument of a kernel, as the driver computes it.

    location: "arena", "constant", "input" or "output". where: the byte offset in the arena of pool
    `pool`, or the index of the constant, input or output. counter, step: the pointer is `step`
    bytes further for each event so far of call `counter` of its step; None if it stays. line:
    elements by which a constant is further for each column of tiles.
    """

    location: str
    where: int
    pool: int = 0
    counter: int | None = None
    step: int = 0
    line: int = 0

    def byte(self, done: Sequence[int]) -> int:
        """The offset in the arena after so many events of each call."""
        return self.where + (0 if self.counter is None else self.step * done[self.counter])


@dataclass(frozen=True)
class DriverCall:
    """A call of a kernel.

    kernel: its name; "" where the caller hands over a row. arguments: pointers to operands, the
    result and scratch. events: how often it runs in a loop of its own or, with tiles, may run; None
    for a kernel without rows. backward: the loop runs from the last row to the first. row_bytes,
    slots: of the row that the caller hands over, and of how many places it takes the next in turn;
    None where it takes the pointer's own.
    """

    kernel: str
    arguments: tuple[Pointer, ...]
    events: int | None
    backward: bool = False
    row_bytes: int = 0
    slots: int | None = None

    def row(self, done: Sequence[int]) -> int:
        """Bytes from the pointer to where the next row goes that the caller hands over."""
        if not self.row_bytes:
            return 0
        return self.row_bytes * (done[0] if self.slots is None else done[0] % self.slots)


@dataclass(frozen=True)
class OrderTable:
    """The order of a stage's calls as numbers; `orders` says what they mean.

    starts: for each row of tiles where its order begins. first: for each row of tiles the first
    event of each call. columns: of tiles. levels: counters of nested loops.
    """

    numbers: tuple[int, ...]
    end: int
    levels: int
    starts: tuple[int, ...] = (0,)
    first: tuple[tuple[int, ...], ...] = ()
    columns: int = 1


@dataclass(frozen=True)
class DriverStep:
    """A step of the driver: a kernel of TVM's own, a layer or a stage."""

    calls: tuple[DriverCall, ...]
    order: OrderTable | None


@dataclass(frozen=True)
class Driver:
    """All steps, and the memory that they work on.

    arenas: bytes of each. constants: the arrays in flash; copied: where `init` copies each of them,
    if it does. inputs, outputs: where callers find them, None for memory of the caller's own.
    state: where the progress of a streamed input is kept, and its bytes.
    """

    steps: tuple[DriverStep, ...]
    arenas: tuple[int, ...]
    constants: tuple[np.ndarray, ...]
    copied: tuple[Pointer, ...]
    inputs: tuple[Pointer | None, ...]
    outputs: tuple[Pointer | None, ...]
    state: tuple[Pointer, int] | None = None
