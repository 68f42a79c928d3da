"""The row kernel that moves the rows of a ring by one: see `slid`."""

# No postponed annotations here: TVMScript reads the buffer shapes from them.
import functools
from collections.abc import Sequence

import numpy as np
from tvm import s_tir, tirx
from tvm.script import tirx as T

from ..kernel import apart

# Bytes that micro-kernels move at once; the largest of what `block_bytes` can be.
SLIDE_BLOCK = 32
# Of the kernel's buffers, larger than any: one kernel serves rings of all sizes.
_MOST = 1 << 28


def word_bytes(row_bytes: int) -> int:
    """Of the largest integers that rows of so many bytes, all aligned to 8, are made of."""
    return next(size for size in (8, 4, 2, 1) if row_bytes % size == 0)


def block_bytes(row_bytes: int) -> int:
    """What one turn of the kernel's loop moves: few words, as the loop takes as long as one."""
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
    return _kernel(f"int{8 * word}", block_bytes(row_bytes) // word)


@functools.cache
def _kernel(dtype: str, some: int) -> tirx.PrimFunc:
    """Of rings of such words, so many in a block."""

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


def slide_micro_kernel(isa: str) -> tirx.PrimFunc:
    """The same, of blocks of SLIDE_BLOCK, as one call of an instruction set's micro-kernel."""
    table = tirx.decl_buffer((_MOST,), "int32", "table")
    ring = tirx.decl_buffer((_MOST,), "int64", "ring")
    event = tirx.Var("event", "int32")
    first = table[2 + event]
    place = tirx.address_of(ring[first * (SLIDE_BLOCK // 8)])
    arguments = [place, table[0] * SLIDE_BLOCK, table[1] - first]
    body = tirx.Evaluate(tirx.call_extern("void", f"tvm_tiny_{isa}_slide", *arguments))
    root = s_tir.SBlockRealize([], True, s_tir.SBlock([], [], [], "root", body))
    return tirx.PrimFunc([table, ring, event], root)
