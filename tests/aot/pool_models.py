"""One small network for boards with several memory pools, in every mode it can be compiled in."""

from __future__ import annotations

from collections.abc import Sequence

from aot.edge_models import EDGE_MODELS
from aot.test_edge_models import compile_quietly

from tvm_tiny import CompiledModel
from tvm_tiny.pools import BoardMemory, MemoryPool, Weights

NAMES = ("fast", "register", "psram")
# No multiples of anything. In one arena the network needs 1,024 bytes, in stages 440.
TWO, THREE, UNUSED, ONE = (517, 3001), (53, 611, 100_003), (5003, 1, 7), (9001,)
STAGES = {"minimize": True}
STREAMED = {"minimize": True, "stream_input": True}
CALLER = {"io_in_arena": False}
# name -> pools, where weights are copied to, options
CASES: dict[str, tuple[Sequence[int], str | None, dict[str, bool]]] = {
    "layers": (TWO, None, {}),
    "caller": (TWO, None, CALLER),
    "pushed": (TWO, None, STREAMED),
    "unused": (UNUSED, None, {}),
    "stages": (THREE, None, STAGES),
    "caller_copied": (THREE, "psram", CALLER),
    "layers_copied": (THREE, "psram", {}),
    "pushed_copied": (THREE, "psram", STREAMED),
    "all_in_one": (ONE, "fast", STREAMED),
    # Large enough for layers: nothing runs while rows are pushed.
    "pushed_whole": (TWO, None, {"stream_input": True}),
}


def board(sizes: Sequence[int], copy_to: str | None = None) -> BoardMemory:
    """Pools of these sizes, by NAMES."""
    pools = [MemoryPool(name, size) for name, size in zip(NAMES, sizes, strict=False)]
    return BoardMemory(tuple(pools), Weights(copy_to=copy_to))


def network(
    name: str, sizes: Sequence[int], copy_to: str | None = None, **options: object
) -> CompiledModel:
    memory = board(sizes, copy_to)
    return compile_quietly(EDGE_MODELS["network"](), name=name, pools=memory, **options)


def networks() -> dict[str, CompiledModel]:
    return {
        name: network(name, sizes, copy_to, **options)
        for name, (sizes, copy_to, options) in CASES.items()
    }
