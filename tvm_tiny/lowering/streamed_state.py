"""The progress that a model with a streamed input keeps between two rows."""

from __future__ import annotations

from tvm_tiny.schedules.stages.looped import DEPTH, counter_bits

from .graph import Graph
from .memory_plan import align


def state_bytes(graph: Graph) -> int:
    """Bytes of the first pool that hold the progress of a streamed input.

    A mark (32 bits), where it is in its order (16 bits each for the place and the loops there), and
    how often each operator has run.
    """
    if not graph.streamed:
        return 0
    events = [operator.row_op.events for operator in graph.steps[0].operators]
    return align(4 + 2 * (1 + DEPTH) + len(events) * counter_bits(max(events)) // 8)
