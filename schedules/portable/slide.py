"""The row kernel that moves the rows of a ring by one: see `slid`."""

# No postponed annotations here: TVMScript reads the buffer shapes from them.
from collections.abc import Sequence

import numpy as np
from tvm import tirx
from tvm.script import tirx as T

from ..kernel import apart

# Of the kernel's buffers, larger than any: one kernel serves rings of all sizes.
_MOST = 1 << 28


def word_bytes(row_bytes: int) -> int:
    """Of the largest integers that rows of so many bytes, all aligned to 8, are made of."""
    return next(size for size in (8, 4, 2, 1) if row_bytes % size == 0)


def block_bytes(row_bytes: int) -> int:
    """What one turn of the kernel's loop moves: few words, for the loop itself takes as long."""
    word = word_bytes(row_bytes)
    return next(some * word for some in (4, 2, 1) if row_bytes % (some * word) == 0)


def slide_table(rows: int, row_bytes: int, first: Sequence[int]) -> np.ndarray:
    """What the kernel reads, in blocks: of a row, of all rows but one, and before each first row.

    rows: that the ring has memory for; first: for each event, the first place that is moved to.
    Shape [2 + events], int32.
    """
    size = row_bytes // block_bytes(row_bytes)
    return np.array([size * count for count in (1, rows - 1, *first)], dtype="int32")


def slide_kernel(row_bytes: int) -> tirx.PrimFunc:
    """Moves the rows of a ring down by one, from a place on that its table has for each event."""
    word = word_bytes(row_bytes)
    some, dtype = block_bytes(row_bytes) // word, f"int{8 * word}"

    def make() -> tirx.PrimFunc:
        @T.prim_func(private=True, s_tir=True)
        def move(
            table: T.Buffer((_MOST,), "int32"),
            ring: T.Buffer((_MOST,), dtype),
            event: T.int32,
        ):
            with T.sblock("row"):
                for k in T.serial(table[2 + event], table[1]):
                    for each in T.unroll(some):
                        ring[k * some + each] = ring[(k + table[0]) * some + each]

        return move

    return apart(make)
