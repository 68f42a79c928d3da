"""Replaces blocks by micro-kernels, and makes scratch memory a parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tvm_ffi
from tvm import s_tir, tirx
from tvm.ir import Expr, IRModule, Range, TensorLoad, TensorRegion
from tvm.s_tir import Schedule

# Names of the buffers in a row kernel for which the planner finds memory: gathered input, and
# widened filters, which follow its last tile.
SCRATCH, BEHIND = "cols", "wide"


def tensorized(
    func: tirx.PrimFunc, intrins: Mapping[str, str], *, scratch: bool = True
) -> tirx.PrimFunc:
    """`func` with its blocks replaced by TensorIntrins, and its scratch as a parameter.

    intrins: name of a block in the kernel's source -> name of the TensorIntrin.
    """
    # TVM simplifies the description of a TensorIntrin before it compares.
    simplified = tirx.transform.StmtSimplify()(IRModule({"main": func}))
    schedule = Schedule(simplified)
    for name in _blocks(func):
        intrin = intrins.get(_source_name(name, intrins))
        if intrin is not None:
            schedule.tensorize(schedule.get_sblock(name), intrin)
    return with_scratch(schedule.mod["main"], wanted=scratch)


def _source_name(name: str, intrins: Mapping[str, str]) -> str:
    """The name of a block in the source, without the number of a repeated one."""
    if name in intrins:
        return name
    stem, _, number = name.rpartition("_")
    return stem if number.isdigit() else name


def _blocks(func: tirx.PrimFunc) -> list[str]:
    names: list[str] = []
    tvm_ffi.structural_walk(func, [(s_tir.SBlock, lambda block: names.append(block.name_hint))])
    return names


def with_scratch(func: tirx.PrimFunc, *, wanted: bool = True) -> tirx.PrimFunc:
    """`func` with its scratch, if it has any, as its last parameter before the row.

    wanted: False drops the scratch, where nothing uses it.
    """
    found: dict[str, tirx.Var] = {}

    def take(block: s_tir.SBlock) -> s_tir.SBlock:
        own = [b for b in block.alloc_buffers if b.name in (SCRATCH, BEHIND)]
        if not own:
            return block
        found.update({b.name: b for b in own})
        kept = [b for b in block.alloc_buffers if b not in own]
        parts = (block.iter_vars, block.reads, block.writes, block.name_hint, block.body)
        rest = (block.init, kept, block.match_buffers, block.annotations)
        return s_tir.SBlock(*parts, *rest)

    body = tvm_ffi.structural_map(func.body, [(s_tir.SBlock, take)])
    *buffers, row = func.params
    if BEHIND in found:
        body = _behind(body, found[BEHIND], found[SCRATCH])
    scratch = [found[SCRATCH]] if wanted and found else []
    return tirx.PrimFunc([*buffers, *scratch, row], body, None, func.attrs)


def _behind(body: tirx.Stmt, buffer: tirx.Var, room: tirx.Var) -> tirx.Stmt:
    """`body` with accesses to `buffer` moved to the last part of `room`."""
    last = tirx.const(int(room.shape[0]) - 1, "int32")

    def at(indices: Sequence[Expr]) -> list[Expr]:
        return [last, *indices]

    def load(found: TensorLoad) -> Expr:
        same = found.source.same_as(buffer)
        return tirx.BufferLoad(room, at(found.indices)) if same else found

    def store(found: tirx.BufferStore) -> tirx.Stmt:
        same = found.buffer.same_as(buffer)
        return tirx.BufferStore(room, found.value, at(found.indices)) if same else found

    def region(found: TensorRegion) -> TensorRegion:
        if not found.source.same_as(buffer):
            return found
        return tirx.BufferRegion(room, [Range.from_min_extent(last, 1), *found.region])

    rules = [(TensorLoad, load), (tirx.BufferStore, store), (TensorRegion, region)]
    return tvm_ffi.structural_map(body, rules)
