"""Memory plan of one arena: offsets such that tensors alive at the same time do not overlap."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .graph import Graph, Storage, live_at

ATTRIBUTE = "tvm_tiny.memory_plan"

# Of every tensor's offset: kernels may read whole words, and 64-bit elements must be aligned.
ALIGNMENT = 8

# How often placement is repeated in a better order; a round costs a few milliseconds.
_ROUNDS = 300


@dataclass(frozen=True)
class MemoryPlan:
    """workspace_bytes: size of the arena; offsets: storage index -> byte offset in it."""

    workspace_bytes: int
    offsets: Mapping[int, int]

    def to_json(self) -> str:
        """As the attribute's text."""
        offsets = {str(k): v for k, v in sorted(self.offsets.items())}
        return json.dumps({"workspace_bytes": self.workspace_bytes, "offsets": offsets})

    @staticmethod
    def from_json(text: str) -> MemoryPlan:
        """From the attribute's text."""
        fields = json.loads(text)
        offsets = {int(k): int(v) for k, v in fields["offsets"].items()}
        return MemoryPlan(int(fields["workspace_bytes"]), offsets)


def align(value: int, alignment: int = ALIGNMENT) -> int:
    """`value` rounded up to a multiple of `alignment`."""
    return -(-value // alignment) * alignment


def lower_bound(tensors: Sequence[Storage], steps: int) -> int:
    """No plan without overlap is smaller: the most bytes alive at any step."""
    return max(
        (sum(align(t.bytes) for t in live_at(tensors, step)) for step in range(-1, steps + 1)),
        default=0,
    )


def plan(graph: Graph, *, io_in_arena: bool = True) -> MemoryPlan:
    """A plan of all tensors; of inputs and outputs only if asked.

    Greedy placement in several orders, the best kept: each tensor goes to the lowest offset that
    is free for its whole life. Largest first is the usual best order; longest life first, and
    order of first use, win on some graphs. Orders that miss the lower bound are improved.
    """
    outside = set() if io_in_arena else {*graph.inputs, *graph.outputs}
    tensors = [t for t in graph.tensors if t.index not in outside]
    bound = lower_bound(tensors, len(graph.steps))
    orders = (
        sorted(tensors, key=lambda t: (-t.bytes, t.first, t.index)),
        sorted(tensors, key=lambda t: (t.first - t.last, -t.bytes, t.index)),
        sorted(tensors, key=lambda t: (t.first, -t.bytes, t.index)),
    )
    best = min((_improved(order, bound) for order in orders), key=lambda p: p.workspace_bytes)
    check(tensors, best)
    return best


def _improved(order: Sequence[Storage], bound: int) -> MemoryPlan:
    """The best plan on the way from `order`: what ends above `bound` goes first the next time.

    "Squeaky wheel" optimization (Joslin and Clements, Journal of AI Research 10, 1999). It ends
    at `bound`, which no plan can beat, where an order repeats, and after _ROUNDS rounds.
    """
    best = found = _place(order)
    seen: set[tuple[int, ...]] = set()
    for _ in range(_ROUNDS):
        key = tuple(t.index for t in order)
        if best.workspace_bytes <= bound or key in seen:
            break
        seen.add(key)
        above = {t.index for t in order if found.offsets[t.index] + t.bytes > bound}
        first = [t for t in order if t.index in above]
        order = first + [t for t in order if t.index not in above]
        found = _place(order)
        best = min(best, found, key=lambda p: p.workspace_bytes)
    return best


def _place(order: Sequence[Storage]) -> MemoryPlan:
    offsets: dict[int, int] = {}
    placed: list[Storage] = []
    for tensor in order:
        rivals = sorted(
            (offsets[p.index], offsets[p.index] + p.bytes)
            for p in placed
            if p.first <= tensor.last and tensor.first <= p.last
        )
        offset = 0
        for start, end in rivals:
            if offset + tensor.bytes <= start:
                break
            offset = max(offset, align(end))
        offsets[tensor.index] = offset
        placed.append(tensor)
    # Never empty: C has no arrays of no bytes.
    total = max((offsets[t.index] + t.bytes for t in order), default=1)
    return MemoryPlan(align(max(total, 1)), offsets)


def check(tensors: Sequence[Storage], found: MemoryPlan) -> None:
    """Invariant: tensors alive at the same time are disjoint, aligned and inside the arena."""
    for position, a in enumerate(tensors):
        start, end = found.offsets[a.index], found.offsets[a.index] + a.bytes
        assert start % ALIGNMENT == 0, a
        assert end <= found.workspace_bytes, a
        for b in tensors[position + 1 :]:
            if a.first <= b.last and b.first <= a.last:
                other = found.offsets[b.index]
                assert end <= other or other + b.bytes <= start, (a, b)
