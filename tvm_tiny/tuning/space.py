"""The search space of a product for MetaSchedule: its row kernel and decisions.

A candidate is the row kernel with annotations, from which `choice_in` reads a `Choice`. The loops
of the kernel do not change; its factory makes the kernel of the choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tvm_ffi
from tvm import s_tir, tirx
from tvm.ir import IRModule
from tvm.s_tir import Schedule

from tvm_tiny.lowering.row_kernels import factory_of
from tvm_tiny.schedules.packed.choice import Choice
from tvm_tiny.schedules.packed.geometry import geometry

from .workloads import Workload

#: Attribute of the function that holds the key of its workload.
WORKLOAD = "tvm_tiny.workload"

# The block around a row kernel, and its annotations: index of the tile, tiles computed at once.
_ROW, _TILE, _CHUNK = "row", "tvm_tiny.tile", "tvm_tiny.chunk"


def module_of(workload: Workload) -> IRModule:
    """The module that MetaSchedule tunes: the default kernel in a loop over rows.

    An attribute tells the modules of workloads apart.
    """
    call = workload.packed()
    factory = factory_of(call)
    kernel = factory.kernel(call, factory.addressing(call))
    *buffers, row = kernel.func.params
    rows = tirx.For(row, 0, kernel.rows, tirx.ForKind.SERIAL, kernel.func.body)
    root = s_tir.SBlockRealize([], True, s_tir.SBlock([], [], [], "root", rows))
    layer = tirx.PrimFunc(buffers, root, None, kernel.func.attrs)
    attrs = {"global_symbol": "main", WORKLOAD: workload.key}
    return IRModule({"main": layer.with_attr(attrs)})


def tiles(workload: Workload) -> list[tuple[int, int]]:
    """The tiles of the instruction set that are no wider than the layer's rows."""
    found = geometry(workload.packed())
    return [tile for tile in workload.isa.tiles if tile[0] <= found.out[1]]


def chunks(workload: Workload) -> list[int]:
    """Numbers of tiles that can be computed after widening filters once.

    The largest number is fastest; each smaller one takes less scratch.
    """
    found, widens = geometry(workload.packed()), workload.isa.widens
    if widens is None or widens[0] > found.out[1]:
        return []
    return list(range(2, found.out[1] // widens[0] + 1))


def choices(workload: Workload) -> list[Choice]:
    """All choices of the space, in order."""
    wide = [Choice(*_widens(workload), count) for count in chunks(workload)]
    return [*(Choice(*tile) for tile in tiles(workload)), *wide]


def _widens(workload: Workload) -> tuple[int, int]:
    assert workload.isa.widens is not None
    return workload.isa.widens


def schedules(workload: Workload) -> Callable[[Schedule], list[Schedule]]:
    """A function for `ScheduleFn`, which gives candidates of single tiles and of chunks."""

    def make(schedule: Schedule) -> list[Schedule]:
        wide = schedule.copy()
        _decide(schedule, _TILE, [workload.isa.tiles.index(tile) for tile in tiles(workload)])
        _decide(schedule, _CHUNK, [1])
        if not chunks(workload):
            return [schedule]
        _decide(wide, _TILE, [workload.isa.tiles.index(_widens(workload))])
        _decide(wide, _CHUNK, chunks(workload))
        return [schedule, wide]

    return make


def _decide(schedule: Schedule, name: str, values: Sequence[int]) -> None:
    evenly = [1.0 / len(values)] * len(values)
    decision = schedule.sample_categorical(list(values), evenly)
    schedule.annotate(schedule.get_sblock(_ROW), name, decision)


def choice_in(workload: Workload, module: IRModule) -> Choice:
    """The choice that a candidate's annotations stand for."""
    found: dict[str, int] = {}

    def read(block: s_tir.SBlock) -> None:
        if block.name_hint == _ROW:
            found.update({key: int(value) for key, value in block.annotations.items()})

    tvm_ffi.structural_walk(module["main"], [(s_tir.SBlock, read)])
    return Choice(*workload.isa.tiles[found[_TILE]], found[_CHUNK])


def workload_in(module: IRModule) -> str:
    """The key of the workload that a candidate computes."""
    return str(module["main"].attrs[WORKLOAD])
