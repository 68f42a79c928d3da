"""Patch stages before they are planned: which operators can be one, and its extra work."""

from __future__ import annotations

from tvm_tiny.schedules.stages.stage import Operator
from tvm_tiny.schedules.stages.tiles import recomputed, tile

from .network import Network, Range

# Rows and columns of tiles that a search tries. With more rows the memory of the input is free
# sooner, with more columns tensors inside are narrower; both compute more elements twice.
SPLITS: tuple[Range, ...] = ((1, 2), (1, 3), (1, 4), (2, 2), (2, 3), (3, 3), (4, 4))


def can_divide(network: Network, stage: Range, split: Range) -> bool:
    """Whether these nodes, both ends included, can be a patch stage of so many tiles."""
    operators = _operators(network, stage)
    if stage[1] == stage[0] or len(operators) <= stage[1] - stage[0]:
        return False
    if any(o.columns is None for o in operators):
        return False
    if any(network.nodes[k].takes_streamed_row for k in range(stage[0], stage[1] + 1)):
        return False
    if not all(network.tensors[t].can_tile for t in network.inside(*stage)):
        return False
    last = operators[-1]
    assert last.columns is not None
    return network.tensors[last.result].rows >= split[0] and last.columns.count >= split[1]


def extra_macs(network: Network, stage: Range, split: Range) -> int:
    """Multiply-accumulates of what several tiles compute, beyond the model's."""
    operators, inside = _operators(network, stage), network.inside(*stage)
    results = {o.result: network.tensors[o.result].rows for o in operators}
    tiles = tile(operators, {t: n for t, n in results.items() if t not in inside}, split)
    return sum(recomputed(o, tiles.computed(k)) for k, o in enumerate(operators))


def around(network: Network, stage: Range, io_in_arena: bool = True) -> int:
    """Bytes of the tensors that are needed before these nodes, or after them.

    The empty range (k, k - 1) gives those that are needed on both sides of a place. io_in_arena:
    whether inputs and outputs count.
    """
    first, last = stage
    made, used = network.made, network.used
    streamed = {t for node in network.nodes if node.takes_streamed_row for t in node.inputs}
    return sum(
        tensor.bytes
        for t, tensor in enumerate(network.tensors)
        if t in used
        and t not in streamed
        and (io_in_arena or not (tensor.is_input or tensor.is_output))
        and (made.get(t, -1) < first <= used[t] or made.get(t, -1) <= last < used[t])
    )


def _operators(network: Network, stage: Range) -> list[Operator]:
    nodes = network.nodes[stage[0] : stage[1] + 1]
    return [node.operator for node in nodes if node.operator is not None]
