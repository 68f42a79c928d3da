"""Putting micro-kernels in the place of blocks, and scratch memory among the parameters."""

from __future__ import annotations

from collections.abc import Mapping

import tvm_ffi
from tvm import s_tir, tirx
from tvm.ir import IRModule
from tvm.s_tir import Schedule

# The name of the buffer in a row kernel that is memory of the planner's.
SCRATCH = "cols"


def tensorized(
    func: tirx.PrimFunc, intrins: Mapping[str, str], *, scratch: bool = True
) -> tirx.PrimFunc:
    """`func` with its blocks replaced by TensorIntrins, and its scratch as a parameter.

    intrins: name of a block, as the kernel's source has it -> name of the TensorIntrin.
    """
    # TVM simplifies what a TensorIntrin stands for before it compares.
    simplified = tirx.transform.StmtSimplify()(IRModule({"main": func}))
    schedule = Schedule(simplified)
    for name in _blocks(func):
        intrin = intrins.get(_source_name(name, intrins))
        if intrin is not None:
            schedule.tensorize(schedule.get_sblock(name), intrin)
    return with_scratch(schedule.mod["main"], wanted=scratch)


def _source_name(name: str, intrins: Mapping[str, str]) -> str:
    """Of a block: where a source has one several times, they are numbered."""
    if name in intrins:
        return name
    stem, _, number = name.rpartition("_")
    return stem if number.isdigit() else name


def _blocks(func: tirx.PrimFunc) -> list[str]:
    names: list[str] = []
    tvm_ffi.structural_walk(func, [(s_tir.SBlock, lambda block: names.append(block.name_hint))])
    return names


def with_scratch(func: tirx.PrimFunc, *, wanted: bool = True) -> tirx.PrimFunc:
    """`func` with the buffer `SCRATCH`, if it has one, as its last parameter but the row.

    wanted: else nothing uses it, and it goes.
    """
    found: list[tirx.Var] = []

    def take(block: s_tir.SBlock) -> s_tir.SBlock:
        kept = [b for b in block.alloc_buffers if b.name != SCRATCH]
        found.extend(b for b in block.alloc_buffers if b.name == SCRATCH)
        if len(kept) == len(block.alloc_buffers):
            return block
        parts = (block.iter_vars, block.reads, block.writes, block.name_hint, block.body)
        rest = (block.init, kept, block.match_buffers, block.annotations)
        return s_tir.SBlock(*parts, *rest)

    body = tvm_ffi.structural_map(func.body, [(s_tir.SBlock, take)])
    *buffers, row = func.params
    return tirx.PrimFunc([*buffers, *(found if wanted else ()), row], body, None, func.attrs)
