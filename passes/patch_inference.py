"""PatchInference: consecutive operators become stages, which run them tile by tile."""

from __future__ import annotations

from collections.abc import Sequence

import tvm
from tvm import relax
from tvm.ir import IRModule

from tvm_tiny.errors import DataError
from tvm_tiny.lowering.row_kernels import factory_of, short_name
from tvm_tiny.planning.network import read_network
from tvm_tiny.planning.partition import Partition
from tvm_tiny.planning.partition_search import Search
from tvm_tiny.planning.patches import SPLITS
from tvm_tiny.relax_rewrite import Binding, bindings_of
from tvm_tiny.schedules.shapes import row_count, row_split, shape_of
from tvm_tiny.schedules.stages.stage import STEADY, STREAM_ROW, BufferPolicy, Range

from .running_sums import RunningSums
from .stream_stages import Place, extract_stages, find_ranges, stage_results
from .subsample_shortcuts import SubsampleShortcuts


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.PatchInference")
class PatchInference:
    """Move consecutive operators into stages, which run them tile by tile.

    Before::

        a = tvm_tiny.qconv2d(x, ...); y = tvm_tiny.qconv2d(a, ...)

    After::

        y = stage_0(x)         # a private function of these operators: tvm_tiny.form = "patch",
                               # tvm_tiny.split = [rows, columns] of tiles

    Within a tile the stage computes row by row, and a tensor inside it has a line buffer of the
    rows still needed, as wide as the tile. So it takes less memory than in a stage that streams,
    but elements that two tiles need are computed twice. Inputs and results of a stage are whole.
    After MCUNetV2 (Lin et al., NeurIPS 2021).

    Without `stages` a search for the least memory chooses the stages of main. Some of them stream;
    others are in patches where that takes less.

    stages: (first, last) operator of each stage, both included, by the name of their result or
    by their position in main; None searches. split: the number of rows and of columns of tiles into
    which the results of a stage are divided; sizes of tiles differ by one at most. n_patches: a
    number of columns of tiles, in place of `split` with one row. io_in_arena: the search counts
    inputs and outputs.

    Requires: integer operators in main, in the order in which they are to run.
    Ensures: the same bytes at all outputs.
    Does nothing when: `stages` is empty, or layer by layer takes the least memory.
    Raises: DataError for a stage with an unknown end, ends out of order, stages that share an
    operator, an operator that cannot compute part of a row, or more tiles than rows or columns.
    """

    def __init__(
        self,
        stages: Sequence[tuple[Place, Place]] | None = None,
        split: Range | None = None,
        n_patches: int | None = None,
        io_in_arena: bool = True,
    ) -> None:
        self.stages = None if stages is None else tuple(stages)
        self.split = _split(split, n_patches)
        self.io_in_arena = io_in_arena
        if stages is not None and self.split is None:
            raise DataError(
                "patch stages: say into how many tiles: either split=(1, 2), rows and columns of "
                "tiles, or n_patches=2"
            )

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Move operators into functions; the module given is not changed."""
        if self.stages is None or self.split is None:
            return self._search(mod)
        bindings = bindings_of(mod["main"])
        ranges = find_ranges(self.stages, bindings, "patch")
        for first, last in ranges:
            _require_tiles(mod, bindings[first : last + 1], bindings[last + 1 :], self.split)
        return extract_stages(mod, dict.fromkeys(ranges, BufferPolicy(self.split)))

    def _search(self, mod: IRModule) -> IRModule:
        """The stages of least SRAM, in patches where that takes less."""
        ready = tvm.transform.Sequential([RunningSums(), SubsampleShortcuts()])(mod)
        splits = SPLITS if self.split is None else (self.split,)
        network = read_network(ready, patches=True)
        found = Search(network, self.io_in_arena, splits).least()
        is_layers = all(first == last for first, last in found.ranges)
        return mod if is_layers else make_stages(ready, found)


def make_stages(mod: IRModule, partition: Partition) -> IRModule:
    """A copy of `mod` with a function for each stage of a partition of it."""
    stages = [(first, last) for first, last in partition.ranges if last > first]
    return extract_stages(mod, {stage: partition.policies.get(stage, STEADY) for stage in stages})


def _split(split: Range | None, n_patches: int | None) -> Range | None:
    if split is None and n_patches is None:
        return None
    if split is not None and n_patches is not None:
        raise DataError("patch stages: both split and n_patches are given; leave one out")
    rows, columns = split if split is not None else (1, n_patches or 0)
    if rows < 1 or columns < 1:
        raise DataError(f"patch stages: {rows} x {columns} tiles; at least 1 x 1 are needed")
    return rows, columns


def _require_tiles(
    mod: IRModule, body: Sequence[Binding], rest: Sequence[Binding], split: Range
) -> None:
    inside = {b.var for b in body} - set(stage_results(mod, body, rest))
    for binding in body:
        _require_part_of_row(binding, inside)
    last = body[-1]
    shape = shape_of(last.var)
    rows, columns = row_count(shape), row_split(shape)[1][0]
    if rows < split[0] or columns < split[1]:
        raise DataError(
            f"patch stage: '{last.var.name}' has {rows} rows of {columns} columns; it cannot be "
            f"divided into {split[0]} x {split[1]} tiles"
        )


def _require_part_of_row(binding: Binding, inside: set[relax.Var]) -> None:
    call, name = binding.value, binding.var.name
    operator = short_name(call)
    tiled = factory_of(call).tiled(call)
    if not tiled or operator == STREAM_ROW:
        raise DataError(
            f"patch stage: '{name}' ({operator}) cannot compute part of a row; begin the stage "
            "behind it or end it before"
        )
    for position, operand in enumerate(call.args):
        if operand in inside and position not in tiled:
            raise DataError(
                f"patch stage: '{name}' ({operator}) reads all of '{operand.name}'; begin the "
                "stage behind that or end it before"
            )
