"""The row kernel that moves the rows of a ring by one: see `slid`."""

# No postponed annotations here: TVMScript reads the buffer shapes from them.
from tvm import tirx
from tvm.script import tirx as T

from ..kernel import apart


def word_bytes(row_bytes: int) -> int:
    """Of the largest integers that rows of so many bytes, all aligned to 8, are made of."""
    return next(size for size in (8, 4, 2, 1) if row_bytes % size == 0)


def slide_kernel(rows: int, row_bytes: int, events: int) -> tirx.PrimFunc:
    """Moves the rows of a ring down by one, those from place `first[event]` + 1 on.

    rows: that the ring has memory for; events: how often it runs.
    """
    word = word_bytes(row_bytes)
    size, dtype = row_bytes // word, f"int{8 * word}"
    # Words of one turn of the loop, which itself takes as many instructions as two of them.
    some = next(count for count in (8, 4, 2, 1) if size % count == 0)

    def make() -> tirx.PrimFunc:
        @T.prim_func(private=True, s_tir=True)
        def move(
            first: T.Buffer((events,), "int32"),
            ring: T.Buffer((rows * size,), dtype),
            event: T.int32,
        ):
            with T.sblock("row"):
                for k in T.serial(first[event] * (size // some), (rows - 1) * (size // some)):
                    for each in T.unroll(some):
                        ring[k * some + each] = ring[k * some + each + size]

        return move

    return apart(make)
