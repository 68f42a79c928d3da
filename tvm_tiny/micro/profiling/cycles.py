"""Estimates cycles from counts of instructions, since QEMU does not model cycles.

cortex-m4: after the Arm Cortex-M4 Technical Reference Manual (DDI 0439), table 3-1 and
"Load/store timings". Memory has no wait states; a load or store directly after another one takes
one cycle; a jump refills the pipeline in 1 to 3 cycles, here 2; a division takes 2 to 12, here 7.

cortex-m7: Arm publishes no table. The estimate is a lower bound: two instructions issue in a cycle
wherever the units of gcc's description of the core (gcc/config/arm/cortex-m7.md) allow it, no
instruction waits for a result, every branch is predicted and every access hits the cache.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from .code import Instruction

#: Half cycles in a cycle. Cycles are counted in halves since the M7 issues two instructions in one.
_HALVES = 2

_M4_REFILL = 2
_M4_DIVIDE = 7
_M4_FLOAT_DIVIDE = 14
_M4_FLOAT_FUSED = 3

_M7_DIVIDE = 4
_M7_FLOAT_DIVIDE = 5

_DIVIDE = re.compile(r"[su]div.*")
_FLOAT_DIVIDE = re.compile(r"vdiv.*|vsqrt.*")
_FLOAT_FUSED = re.compile(r"vf?n?m[al][as]?\..*|vfn?m[as]\..*")
#: An address that is a sum of registers: `[r0, r1]` and `[r0, r1, lsl #2]`.
_REGISTER_OFFSET = re.compile(r"\[\w+, [a-z]")

Estimate = Callable[[Sequence[Instruction], int, int], int]


def _m4(block: Sequence[Instruction], runs: int, jumps: int) -> int:
    """Half cycles of a block that ran `runs` times and jumped `jumps` times."""
    total, after_access = 0, False
    for instruction in block:
        total += _m4_cycles(instruction, after_access)
        after_access = instruction.words == 1
    return _HALVES * (total * runs + _M4_REFILL * jumps)


def _m4_cycles(instruction: Instruction, after_access: bool) -> int:
    if instruction.words > 1 or _BLOCK_TRANSFER.match(instruction.name):
        return 1 + instruction.words
    if instruction.words == 1:
        at_once = instruction.kind == "stores" and not _REGISTER_OFFSET.search(instruction.operands)
        return 1 if after_access or at_once else 2
    if _DIVIDE.fullmatch(instruction.name):
        return _M4_DIVIDE
    if _FLOAT_DIVIDE.fullmatch(instruction.name):
        return _M4_FLOAT_DIVIDE
    return _M4_FLOAT_FUSED if _FLOAT_FUSED.fullmatch(instruction.name) else 1


_BLOCK_TRANSFER = re.compile(r"v?(push|pop|ldm|stm)")


def _m7(block: Sequence[Instruction], runs: int, jumps: int) -> int:
    """Half cycles of a block's runs, bounded by issue slots and by the busiest unit."""
    busy = sum(map(_m7_alone, block))
    paired = [instruction for instruction in block if not _m7_alone(instruction)]
    of = {kind: sum(i.kind == kind for i in paired) for kind in ("loads", "stores", "branches")}
    multiplies = sum(instruction.kind == "multiplies" for instruction in paired)
    units = (of["loads"] + of["stores"], of["stores"] + multiplies, of["branches"])
    return runs * (_HALVES * busy + max(len(paired), _HALVES * max(units)))


def _m7_alone(instruction: Instruction) -> int:
    """Cycles in which an instruction issues alone; 0 if it can issue with another."""
    if instruction.words > 1:
        return -(-instruction.words // 2)
    if _DIVIDE.fullmatch(instruction.name):
        return _M7_DIVIDE
    return _M7_FLOAT_DIVIDE if _FLOAT_DIVIDE.fullmatch(instruction.name) else 0


#: Functions that estimate half cycles, by core.
ESTIMATES: Mapping[str, Estimate] = MappingProxyType({"cortex-m4": _m4, "cortex-m7": _m7})

#: Targets whose code these cores run.
ESTIMATED_TARGETS = frozenset({"cortex-m3", "cortex-m4", "cortex-m7"})


def whole_cycles(halves: int) -> int:
    """Half cycles as cycles, rounded up."""
    return -(-halves // _HALVES)
