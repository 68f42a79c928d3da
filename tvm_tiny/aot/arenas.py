"""The arenas of a program in C: a single one or one for each pool."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tvm_tiny.lowering.memory_plan import PoolUse

from .identifiers import c_identifiers
from .program import Operand, Program


@dataclass(frozen=True)
class Arena:
    """An arena and its names in C.

    member: name in the structure of pools. variable: the driver's pointer. array: a name that
    firmware may give its memory. bytes: how many are used. section_macro: names the section of the
    array; None where all models share one.
    """

    member: str
    variable: str
    array: str
    bytes: int
    size_macro: str
    section_macro: str | None = None
    pool: PoolUse | None = None

    def place(self, offset: int | str) -> str:
        """A C expression for the byte at an offset, a number or expression."""
        return f"(void*)({self.variable} + {offset})"


def arenas(program: Program) -> list[Arena]:
    """All arenas, in the order of the structure of pools."""
    macro = f"tvmgen_{program.name}".upper()
    names = program.arena_names
    if not program.pools:
        size = f"{macro}_WORKSPACE_SIZE"
        return [Arena(names[0], "arena", "arena", program.workspace_bytes, size)]
    return [
        Arena(
            names[k],
            f"arena_{names[k]}" if k else "arena",
            c_identifiers([pool.name])[0],
            pool.bytes,
            f"{macro}_WORKSPACE_{pool.name.upper()}_POOL_SIZE",
            f"{macro}_SECTION_{pool.name.upper()}",
            pool,
        )
        for k, pool in enumerate(program.pools)
    ]


def arenas_of(program: Program, operands: Iterable[Operand]) -> list[Arena]:
    """The arenas that operands are in."""
    pools = _pools(operands)
    return [arena for k, arena in enumerate(arenas(program)) if k in pools]


def used_arenas(program: Program) -> list[Arena]:
    """The arenas that the driver needs: for its calls, its progress or copied constants."""
    pools = _pools((*program.operands(program.calls), *program.copied))
    pools |= {0} if program.streamed is not None else set()
    return [arena for k, arena in enumerate(arenas(program)) if k in pools]


def _pools(operands: Iterable[Operand]) -> set[int]:
    return {operand.pool for operand in operands if operand.location == "arena"}


def copies(program: Program, prefix: str) -> dict[str, Any] | None:
    """Values for the function `init`, which copies the constants; None without one.

    mark: a number that `init` writes before the constants to say that they are there; it depends on
    the constants and their places.
    """
    if not program.copied:
        return None
    mark, places = 0, list(zip(program.copied, program.constants, strict=True))
    for operand, array in places:
        mark = zlib.crc32(operand.where.to_bytes(4, "little") + array.tobytes(), mark)
    arena = arenas(program)[program.copied[0].pool]
    return {
        "arena": arena,
        "mark": f"0x{mark:08x}u",
        "constants": [
            {"source": f"{prefix}_constant_{k}", "offset": operand.where, "bytes": operand.bytes}
            for k, (operand, _) in enumerate(places)
        ],
    }
