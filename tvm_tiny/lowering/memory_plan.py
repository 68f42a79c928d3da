"""Memory plans: a byte offset for every tensor of a lowered module, as main's attribute."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

ATTRIBUTE = "tvm_tiny.memory_plan"

# Bytes that every offset is a multiple of: kernels may read whole words, and 64-bit elements must
# be aligned.
ALIGNMENT = 8


@dataclass(frozen=True)
class PoolUse:
    """The part of a pool that a memory plan uses.

    size: bytes the board has. bytes: used of them, from the first on; the first `constants` of
    these hold the weights that are copied there at start. section: of its arena.
    """

    name: str
    size: int
    bytes: int
    section: str | None = None
    constants: int = 0


@dataclass(frozen=True)
class MemoryPlan:
    """Where the tensors of a module lie.

    workspace_bytes: size of the arena; offsets: storage index -> byte offset in it.

    backward: steps that run from their last row to their first, because their result lies over
    the end of their input. lower_bound: no plan of the same steps is smaller. optimal: proven
    that none is.

    pools: of the board, if it has several or theirs are named: workspace_bytes is what is used of
    them all. pool_of: storage index -> index of its pool, 0 where it is not in it. A constant
    with an offset is copied there at start. weights_section: of the constants in flash.
    """

    workspace_bytes: int
    offsets: Mapping[int, int]
    backward: tuple[int, ...] = ()
    lower_bound: int = 0
    optimal: bool = False
    pools: tuple[PoolUse, ...] = ()
    pool_of: Mapping[int, int] = field(default_factory=dict)
    weights_section: str | None = None

    def pool(self, storage: int) -> int:
        """Index of the pool that a storage is in."""
        return self.pool_of.get(storage, 0)

    def address(self, storage: int) -> int:
        """The first byte of a storage, as if the pools lay one behind the other."""
        return sum(p.bytes for p in self.pools[: self.pool(storage)]) + self.offsets[storage]

    def to_json(self) -> str:
        """As the attribute's text."""
        fields = {
            "workspace_bytes": self.workspace_bytes,
            "offsets": _keyed_by_text(self.offsets),
            "backward": list(self.backward),
            "lower_bound": self.lower_bound,
            "optimal": self.optimal,
        }
        if self.pools:
            fields["pools"] = [asdict(pool) for pool in self.pools]
            fields["pool_of"] = _keyed_by_text(self.pool_of)
            fields["weights_section"] = self.weights_section
        return json.dumps(fields)

    @staticmethod
    def from_json(text: str) -> MemoryPlan:
        """From the attribute's text."""
        fields = json.loads(text)
        for key in ("offsets", "pool_of"):
            fields[key] = {int(k): int(v) for k, v in fields.get(key, {}).items()}
        fields["backward"] = tuple(fields["backward"])
        fields["pools"] = tuple(PoolUse(**pool) for pool in fields.get("pools", ()))
        return MemoryPlan(**fields)


def _keyed_by_text(numbers: Mapping[int, int]) -> dict[str, int]:
    return {str(k): v for k, v in sorted(numbers.items())}


def align(value: int, alignment: int = ALIGNMENT) -> int:
    """`value` rounded up to a multiple of `alignment`."""
    return -(-value // alignment) * alignment
