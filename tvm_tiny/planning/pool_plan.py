"""Memory plans over several pools, the most used tensors in the fastest pool."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from tvm_tiny.errors import BudgetError
from tvm_tiny.lowering.graph import Graph
from tvm_tiny.lowering.memory_plan import ALIGNMENT, MemoryPlan, PoolUse, align
from tvm_tiny.lowering.streamed_state import state_bytes
from tvm_tiny.pools import BoardMemory, MemoryPool

from .memory import backward_steps, tensors_to_place
from .placement import TIME_LIMIT_S, Block, Placement, Pool, place
from .separation import Problem
from .traffic import traffic

# Bytes: alignment of every copied constant, as in flash; size of the mark that says that they have
# been copied.
CONSTANT_ALIGNMENT = 16
MARK_BYTES = 16

_NAME_WIDTH = 60

Pools = tuple[Pool, ...]


def plan_in_pools(graph: Graph, memory: BoardMemory, *, io_in_arena: bool = True) -> MemoryPlan:
    """The plan in which kernels reach most of their bytes in the first pools.

    See `placement`; the weight of a tensor is its `traffic`. Constants that are copied lie at the
    start of their pool, behind MARK_BYTES.

    Raises BudgetError that says which pools are too small, and what would fit.
    """
    copied = _copied(graph, memory)
    tensors, problem = tensors_to_place(graph, io_in_arena)
    blocks = _Blocks.of(graph, [t.index for t in tensors], problem)
    found = blocks.placed_or_hint(_room(graph, memory, copied.bytes), memory)
    starts = [copied.bytes if k == copied.pool else 0 for k in range(len(memory.pools))]
    places = zip(blocks.tensors, found.offsets, found.pool_of, strict=True)
    offsets = {t: starts[pool] + offset for t, offset, pool in places}
    pool_of = dict(zip(blocks.tensors, found.pool_of, strict=True))
    parts = zip(memory.pools, starts, found.used, strict=True)
    uses = tuple(_use(pool, start, used) for pool, start, used in parts)
    return MemoryPlan(
        workspace_bytes=sum(use.bytes for use in uses),
        offsets=offsets | dict(copied.offsets),
        backward=tuple(_backward(problem, offsets, pool_of)),
        lower_bound=found.lower_bound + copied.bytes,
        optimal=found.optimal,
        pools=uses,
        pool_of=pool_of | dict.fromkeys(copied.offsets, copied.pool),
        weights_section=memory.weights.section,
    )


def fits(
    graph: Graph, memory: BoardMemory, *, constant_bytes: int = 0, io_in_arena: bool = True
) -> bool:
    """Whether a placement was found in which the graph fits.

    constant_bytes: of the constants, if they are copied; see `copied_bytes`.
    """
    tensors, problem = tensors_to_place(graph, io_in_arena)
    taken = constant_bytes if memory.weights.copy_to else 0
    try:
        room = _room(graph, memory, taken)
        _Blocks.of(graph, [t.index for t in tensors], problem).placed(room)
    except BudgetError:
        return False
    return True


def copied_bytes(sizes: Iterable[int]) -> int:
    """Bytes that constants of these sizes take of the pool that they are copied to."""
    return MARK_BYTES + sum(align(size, CONSTANT_ALIGNMENT) for size in sizes)


@dataclass(frozen=True)
class _Copied:
    """Constants in a pool: storage index -> offset; pool -1 where none are copied."""

    pool: int = -1
    bytes: int = 0
    offsets: Mapping[int, int] = field(default_factory=dict)


def _copied(graph: Graph, memory: BoardMemory) -> _Copied:
    constants = [storage for storage in graph.storage if storage.is_constant]
    if memory.weights.copy_to is None or not constants:
        return _Copied()
    names = [pool.name for pool in memory.pools]
    offsets, end = {}, MARK_BYTES
    for storage in constants:
        offsets[storage.index] = end
        end += align(storage.bytes, CONSTANT_ALIGNMENT)
    return _Copied(names.index(memory.weights.copy_to), end, offsets)


def pools_for_tensors(memory: BoardMemory, constant_bytes: int) -> Pools:
    """The pools less the constants that are copied to them.

    constant_bytes: of all constants together, with padding. Raises BudgetError if a pool has no
    room for them.
    """
    pools = []
    for pool in memory.pools:
        taken = constant_bytes if pool.name == memory.weights.copy_to else 0
        if taken > pool.size:
            raise BudgetError(
                f"memory pool '{pool.name}' has {pool.size} bytes, the weights copied to it "
                f"need {taken}: {taken - pool.size} too few"
            )
        pools.append(Pool(pool.name, pool.size - taken))
    return tuple(pools)


def _room(graph: Graph, memory: BoardMemory, constant_bytes: int) -> Pools:
    """The pools less constants and streaming state: the room for tensors."""
    state = state_bytes(graph)
    first, *rest = pools_for_tensors(memory, constant_bytes)
    if not state or first.size is None:
        return (first, *rest)
    if first.size < state:
        raise BudgetError(
            f"memory pool '{first.name}' has {first.size} bytes left, the progress of the "
            f"streamed input needs {state}: {state - first.size} too few"
        )
    return (Pool(first.name, (first.size - state) // ALIGNMENT * ALIGNMENT), *rest)


def _use(pool: MemoryPool, constants: int, used: int) -> PoolUse:
    size = min(constants + align(used), pool.size)
    return PoolUse(pool.name, pool.size, size, pool.section, constants)


def _backward(
    problem: Problem, offsets: Mapping[int, int], pool_of: Mapping[int, int]
) -> Iterator[int]:
    """Steps whose result lies over the end of their input, in the same pool."""
    together = {k: c for k, c in problem.choices.items() if pool_of[c[0]] == pool_of[c[1]]}
    return backward_steps(replace(problem, choices=together), offsets)


@dataclass(frozen=True)
class _Blocks:
    """Tensors as blocks to be placed, with their weights."""

    tensors: list[int]
    blocks: list[Block]
    weights: list[int]
    problem: Problem

    @staticmethod
    def of(graph: Graph, tensors: list[int], problem: Problem) -> _Blocks:
        storage, used = graph.storage, traffic(graph)
        blocks = [Block(_short(storage[t].name), storage[t].bytes, ALIGNMENT) for t in tensors]
        return _Blocks(tensors, blocks, [used[t] for t in tensors], problem)

    def placed(self, room: Pools, time_limit_s: float = TIME_LIMIT_S) -> Placement:
        return place(
            self.blocks,
            self.problem.separations,
            pools=room,
            weights=self.weights,
            time_limit_s=time_limit_s,
            lower_bound=self.problem.bound,
        )

    def placed_or_hint(self, room: Pools, memory: BoardMemory) -> Placement:
        """A placement; the error for want of one says what would fit."""
        try:
            return self.placed(room)
        except BudgetError as error:
            names = [pool.name for pool in memory.pools]
            kept = _kept(room, memory)
            least = self.placed((*room[:-1], Pool(names[-1])), time_limit_s=0).used[-1]
            others = [f"{kept[k]} of '{names[k]}'" for k in range(len(kept)) if kept[k]]
            also = f" (weights or progress of pushed rows: {', '.join(others)})" if others else ""
            raise BudgetError(
                f"{error}{also}; the model would fit with {align(least) + kept[-1]} bytes or more "
                f"in pool '{names[-1]}'"
            ) from None


def _kept(room: Pools, memory: BoardMemory) -> list[int]:
    """Bytes per pool reserved for weights and streaming state."""
    pairs = zip(room, memory.pools, strict=True)
    return [pool.size - (left.size or 0) for left, pool in pairs]


def _short(name: str) -> str:
    """A name cut to a readable length.

    Converters join the names of all that was fused into an operator.
    """
    return name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 3]}..."
