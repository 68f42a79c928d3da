"""The kernel that moves the rows of a shifting line buffer by one, see `with_shifts`."""

# No postponed annotations here: TVMScript reads the buffer shapes from them.
import functools
from collections.abc import Sequence

import numpy as np
from tvm import s_tir, tirx
from tvm.script import tirx as T

from ..kernel import apart

# Bytes that micro-kernels move at once: the largest result of `block_bytes`.
SHIFT_BLOCK = 32
# Declared elements of the kernel's buffers, more than any line buffer has: one kernel serves all.
_MOST = 1 << 28


def word_bytes(row_bytes: int) -> int:
    """Bytes of the largest integer type that divides rows, which are aligned to 8 bytes."""
    return next(size for size in (8, 4, 2, 1) if row_bytes % size == 0)


def block_bytes(row_bytes: int) -> int:
    """Bytes that one iteration of the kernel moves: up to four words.

    A loop's own instructions take as long as moving a word.
    """
    word = word_bytes(row_bytes)
    return next(some * word for some in (4, 2, 1) if row_bytes % (some * word) == 0)


def shift_table(rows: int, row_bytes: int, first: Sequence[int]) -> np.ndarray:
    """The table that the kernel reads, int32 [2 + events].

    It holds numbers of blocks: of one row, of all rows but one, and for each event those before
    the first row to overwrite. rows: the capacity of the line buffer. first: for each event the
    first place that a row is moved to.
    """
    size = row_bytes // block_bytes(row_bytes)
    return np.array([size * count for count in (1, rows - 1, *first)], dtype="int32")


def shift_kernel(row_bytes: int) -> tirx.PrimFunc:
    """The kernel that moves the rows of a line buffer down by one place.

    Its table says, for each event, from which place on.
    """
    word = word_bytes(row_bytes)
    return _kernel(f"int{8 * word}", block_bytes(row_bytes) // word)


@functools.cache
def _kernel(dtype: str, some: int) -> tirx.PrimFunc:
    """The kernel for words of type `dtype`, `some` of them in a block."""

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


def shift_micro_kernel(isa: str) -> tirx.PrimFunc:
    """The kernel for blocks of 32 bytes as one call of a micro-kernel."""
    table = tirx.decl_buffer((_MOST,), "int32", "table")
    ring = tirx.decl_buffer((_MOST,), "int64", "ring")
    event = tirx.Var("event", "int32")
    first = table[2 + event]
    place = tirx.address_of(ring[first * (SHIFT_BLOCK // 8)])
    arguments = [place, table[0] * SHIFT_BLOCK, table[1] - first]
    body = tirx.Evaluate(tirx.call_extern("void", f"tvm_tiny_{isa}_slide", *arguments))
    root = s_tir.SBlockRealize([], True, s_tir.SBlock([], [], [], "root", body))
    return tirx.PrimFunc([table, ring, event], root)
