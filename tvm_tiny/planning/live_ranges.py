"""Live ranges: which bytes of a tensor's memory are needed at each event."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tvm_tiny.lowering.graph import Storage

from .accesses import NEVER, Accesses, Bytes


@dataclass
class LiveRange:
    """Bytes [low, high) of a tensor's memory that are needed, event by event.

    during: while the event runs, all it reads and writes included. after: when it has ended.
    Empty where high <= low. Index 0 is before the first event, when inputs are written; the last
    one after the last event, when outputs are read.
    """

    low_during: np.ndarray
    high_during: np.ndarray
    low_after: np.ndarray
    high_after: np.ndarray

    def span(self) -> tuple[int, int]:
        """First and last index at which anything is needed; (0, -1) if never."""
        used = np.flatnonzero(self.high_during > self.low_during)
        return (int(used[0]), int(used[-1])) if len(used) else (0, -1)


def live_range(accesses: Accesses, index: int) -> LiveRange:
    """The live range of one tensor, from all its accesses."""
    if index in accesses.scratch:
        # Nothing needs what an event leaves there.
        end = accesses.written(index).end
        nothing = np.zeros_like(end)
        return LiveRange(nothing, np.maximum(end, 0), nothing, nothing)
    during, after = _needed(accesses, index)
    base = accesses.bases.of(index)
    if base is None:
        tensor = accesses.graph.storage[index]
        return LiveRange(*_in_memory(tensor, during), *_in_memory(tensor, after))
    # While a line buffer shifts, its rows are read where they were before.
    is_shifting = index not in accesses.bases.skewed
    before = np.append(base[:1], base[:-1]) if is_shifting else base
    return LiveRange(*_moved(during, base, before), *_moved(after, base, base))


def _needed(accesses: Accesses, index: int) -> tuple[Bytes, Bytes]:
    """Logical bytes that are needed during each event and after it.

    Needed are bytes that have been made and are still going to be read, and all that the event
    itself touches.
    """
    read, written = accesses.read(index), accesses.written(index)
    wanted_low = np.minimum.accumulate(np.append(read.first, NEVER)[::-1])[::-1]
    wanted_high = np.maximum.accumulate(np.append(read.end, -NEVER)[::-1])[::-1]
    made_low = np.minimum.accumulate(written.first)
    made_high = np.maximum.accumulate(written.end)
    during = (
        np.minimum(np.maximum(made_low, wanted_low[:-1]), written.first),
        np.maximum(np.minimum(made_high, wanted_high[:-1]), written.end),
    )
    after = np.maximum(made_low, wanted_low[1:]), np.minimum(made_high, wanted_high[1:])
    return during, after


def _in_memory(tensor: Storage, logical: Bytes) -> Bytes:
    """Logical bytes as bytes of a tensor's memory.

    An interval that wraps around in its line buffer becomes all of the memory.
    """
    low, high = logical
    size = max(tensor.bytes, 1)
    base = low // size * size
    wraps = high > base + size
    empty = high <= low
    memory_low = np.where(empty, 0, np.where(wraps, 0, low - base))
    memory_high = np.where(empty, 0, np.where(wraps, size, high - base))
    return memory_low, memory_high


def _moved(logical: Bytes, base: np.ndarray, before: np.ndarray) -> Bytes:
    """Logical bytes as bytes of memory that begins with `base`, and began with `before`."""
    low, high = logical
    some = high > low
    return np.where(some, low - base, 0), np.where(some, high - before, 0)
