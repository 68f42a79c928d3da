"""The shadow of all SRAM: the identity of each byte that was written last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tvm_tiny.errors import PlanError
from tvm_tiny.lowering.graph import Graph, Storage
from tvm_tiny.lowering.memory_plan import ALIGNMENT, MemoryPlan, PoolUse

# The identity of a byte that nothing has written.
NOTHING = -1
_MOST = (1 << 31) - 1


@dataclass(frozen=True)
class Value:
    """A tensor that an operator or a caller makes.

    storage, offset: its memory, and the byte of the arena where that begins, if it is there. cell:
    the cell of its first byte in the shadow. size: bytes of the whole tensor; a line buffer has
    less memory. Byte b of version v, of `versions`, has the identity `identity` + v * size + b;
    readers want the last version.
    """

    name: str
    storage: Storage
    offset: int | None
    cell: int
    size: int
    identity: int
    versions: int = 1

    @property
    def room(self) -> int:
        """Bytes of memory."""
        return self.storage.bytes

    def version(self, number: int) -> int:
        """Identity of the first byte in a version."""
        return self.identity + number * self.size

    @property
    def final(self) -> int:
        """Identity of the first byte of the complete tensor."""
        return self.version(self.versions - 1)

    def row(self, byte: int) -> int:
        """The row that a byte of the tensor belongs to."""
        return byte % max(self.size, 1) // max(self.storage.row_bytes, 1)


class Memory:
    """The shadow memory of a plan.

    cells: an identity for each byte of the arena, or of all pools one behind the other, then of
    callers' memory. used: bytes of the arena up to the end of the highest tensor; the sum of these
    for several pools.

    Raises PlanError where an offset is missing, misaligned or outside of the arena.
    """

    def __init__(self, graph: Graph, plan: MemoryPlan) -> None:
        self.plan = plan
        self._storage = graph.storage
        self._cells = dict(_cells(graph, plan))
        ends = [cell + graph.storage[k].bytes for k, cell in self._cells.items()]
        self.used = _used(graph, plan)
        size = max([plan.workspace_bytes, *ends])
        self.cells = np.full(size, NOTHING, dtype=np.int32)
        self._values: list[Value] = []
        self._next = 0

    def cell(self, storage: int) -> int:
        """The first cell of a storage."""
        return self._cells[storage]

    def arena(self, pool: int) -> int:
        """The first cell of a pool's arena."""
        return sum(used.bytes for used in self.plan.pools[:pool])

    def new(self, storage: int, name: str, versions: int = 1) -> Value:
        """Adds a tensor that is going to be written, once for each version."""
        kept, offset = self._storage[storage], self.plan.offsets.get(storage)
        size = max(kept.bytes, kept.rows * kept.row_bytes)
        value = Value(name, kept, offset, self._cells[storage], size, self._next, versions)
        self._next += size * versions
        if self._next > _MOST:
            raise PlanError(
                f"memory plan: cannot be proved, its tensors have more than {_MOST} bytes in all; "
                "prove the model in parts"
            )
        # A tensor of no bytes has no identities, and is never found.
        self._values += [value] if size else []
        return value

    def write(self, value: Value) -> None:
        """Writes all of a tensor."""
        self._of(value)[:] = _complete(value)

    def of(self, storage: int) -> np.ndarray:
        """The identities in a storage, to be written to."""
        first = self._cells[storage]
        return self.cells[first : first + self._storage[storage].bytes]

    def first_wrong(self, value: Value) -> int | None:
        """The first byte of a tensor's memory that is not the complete tensor's."""
        wrong = np.flatnonzero(self._of(value) != _complete(value))
        return int(wrong[0]) if len(wrong) else None

    def found(self, value: Value, byte: int) -> tuple[Value, int] | None:
        """The tensor, and its byte, that a byte of memory holds; None before any write."""
        identity = int(self.cells[value.cell + byte])
        if identity == NOTHING:
            return None
        owner = self._values[int(self._owners(np.array([identity]))[0])]
        return owner, identity - owner.identity

    def stretch(self, value: Value, byte: int) -> tuple[int, int]:
        """The bytes around `byte` of a tensor's memory that hold bytes of one tensor."""
        owners = self._owners(self._of(value))
        other = np.flatnonzero(owners != owners[byte])
        before, behind = other[other < byte], other[other > byte]
        last = int(behind[0]) - 1 if len(behind) else len(owners) - 1
        return (int(before[-1]) + 1 if len(before) else 0), last

    def _owners(self, identities: np.ndarray) -> np.ndarray:
        firsts = np.array([value.identity for value in self._values])
        return np.searchsorted(firsts, identities, side="right") - 1

    def _of(self, value: Value) -> np.ndarray:
        return self.cells[value.cell : value.cell + value.room]


def _complete(value: Value) -> np.ndarray:
    return np.arange(value.final, value.final + value.room, dtype=np.int32)


def _cells(graph: Graph, plan: MemoryPlan) -> Iterator[tuple[int, int]]:
    """The first cell of each storage; the arena's cells come first, then those of callers."""
    callers = {*graph.inputs, *graph.outputs}
    end = plan.workspace_bytes
    for storage in graph.tensors:
        if storage.index in graph.streamed:
            continue  # its rows are memory of the caller, which no kernel reads
        if storage.index in plan.offsets:
            yield storage.index, _inside(storage, plan)
        elif storage.index in callers:
            yield storage.index, end
            end += storage.bytes
        else:
            raise PlanError(f"memory plan: tensor '{storage.name}' has no offset; plan it again")


def _used(graph: Graph, plan: MemoryPlan) -> int:
    ends: dict[int, int] = {}
    for k, offset in plan.offsets.items():
        ends[plan.pool(k)] = max(ends.get(plan.pool(k), 0), offset + graph.storage[k].bytes)
    return sum(ends.values())


def _inside(storage: Storage, plan: MemoryPlan) -> int:
    """The cell of a storage that the plan has a place for."""
    offset, pool = plan.offsets[storage.index], plan.pool(storage.index)
    pools = plan.pools or (PoolUse("", 0, plan.workspace_bytes),)
    arena = f"pool '{plan.pools[pool].name}'" if plan.pools else "an arena"
    first, size = pools[pool].constants, pools[pool].bytes
    if offset % ALIGNMENT:
        raise PlanError(
            f"memory plan: tensor '{storage.name}' is at byte {offset}, which is no multiple of "
            f"{ALIGNMENT}; plan it again"
        )
    if not first <= offset <= offset + storage.bytes <= size:
        weights = f", of which {first} hold weights" if first else ""
        raise PlanError(
            f"memory plan: tensor '{storage.name}' takes bytes {offset} to "
            f"{offset + storage.bytes - 1} of {arena} of {size}{weights}; plan it again"
        )
    return plan.address(storage.index)
