"""What checking kernels read and write, against row kernels interpreted element by element."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from kernel_machine import Machine
from row_calls import DATA_DEPENDENT, EXACT
from tvm.ir import Call, GenericConst

from tvm_tiny.checker.kernels import Kernel, address, build, instrument
from tvm_tiny.checker.shadow import COUNTS, PLACE, READ_OUTSIDE, REPORT, ROOM, STALE, WRITE_OUTSIDE
from tvm_tiny.lowering.lower_tir import lower_prim_func, to_pointer_abi
from tvm_tiny.schedules import kernel as kernels
from tvm_tiny.schedules import portable  # noqa: F401  registers the kernels

SETTINGS = settings(max_examples=12, deadline=None, database=None, derandomize=True)
SAMPLES = 12  # elements of each operand that are damaged in turn


@dataclass
class Bench:
    """A row kernel, its interpreter, and its checking kernel on a shadow of separate tensors."""

    machine: Machine
    kernel: Kernel
    events: int
    constants: dict[int, np.ndarray]
    itemsizes: list[int]
    elements: list[int]

    def __post_init__(self) -> None:
        sizes = [n * size for n, size in zip(self.elements, self.itemsizes, strict=True)]
        self.cells = [sum(sizes[:k]) for k in range(len(sizes))]
        self.clean = np.arange(sum(sizes), dtype=np.int32)
        self.tensors = [k for k in range(len(sizes)) if k not in self.constants]

    def places(self) -> np.ndarray:
        rows = zip(self.cells, self.elements, strict=True)
        places = [(cell, 0, count, count, cell, cell) for cell, count in rows]
        return np.array(places, dtype=np.int32).reshape(-1, PLACE)

    def run(self, shadow: np.ndarray, places: np.ndarray, event: int) -> np.ndarray:
        report, counts = np.zeros(REPORT, np.int32), np.zeros(COUNTS, np.int64)
        arrays = [self.constants[k] for k in self.kernel.constants]
        self.kernel.run(*map(address, [shadow, places, report, counts, *arrays]), event)
        return report

    def fault_after_damage(self, event: int, operand: int, element: int) -> bool:
        """Whether an element that is another one, in its last byte only, is noticed."""
        shadow = self.clean.copy()
        size = self.itemsizes[operand]
        shadow[self.cells[operand] + (element + 1) * size - 1] = -1
        report = self.run(shadow, self.places(), event)
        if report[0]:
            assert list(report) == [STALE, operand, element, element, size - 1]
        return bool(report[0])


def bench(call: Call) -> Bench:
    factory = kernels.lookup(call)
    kernel = factory.build(call, factory.addressing(call))
    constants = {k: a.value.numpy() for k, a in enumerate(call.args) if isinstance(a, GenericConst)}
    integers = factory.integers(call, factory.whole(call))
    constants |= {len(call.args) + k: array for k, array in enumerate(integers)}
    buffers = kernel.func.params[:-1]
    random = np.random.default_rng(0)
    arrays = [
        constants.get(k, random.integers(-128, 128, [int(d) for d in b.shape]))
        for k, b in enumerate(buffers)
    ]
    tensors = frozenset(k for k in range(len(buffers)) if k not in constants)
    checking = instrument(to_pointer_abi(lower_prim_func(kernel.func)), tensors)
    build([checking])
    itemsizes = [np.dtype(str(b.dtype)).itemsize for b in buffers]
    machine = Machine(kernel.func, arrays)
    return Bench(machine, checking, kernel.rows, constants, itemsizes, [a.size for a in arrays])


def sampled(found: Bench) -> Iterator[tuple[int, int]]:
    random = np.random.default_rng(1)
    for operand in found.tensors:
        count = min(SAMPLES, found.elements[operand])
        yield from ((operand, int(k)) for k in random.permutation(found.elements[operand])[:count])


def check_writes(found: Bench, event: int, touches) -> None:
    """The output's identities change where the kernel writes, and nothing else does."""
    output = len(found.elements) - 1
    places, shadow = found.places(), found.clean.copy()
    places[output, -1] += 1 << 20
    assert found.run(shadow, places, event)[0] == 0
    size, cell = found.itemsizes[output], found.cells[output]
    written = {at for mode, _, at in touches if mode == "w"}
    bytes_ = {cell + at * size + k for at in written for k in range(size)}
    assert set(np.flatnonzero(shadow != found.clean)) == bytes_
    assert all(shadow[k] == found.clean[k] + (1 << 20) for k in bytes_)


@pytest.mark.parametrize("operators", EXACT.values(), ids=list(EXACT))
def test_each_element_that_a_kernel_reads_is_compared_and_no_other(operators):
    @SETTINGS
    @given(operators)
    def check(call):
        found = bench(call)
        assert not found.kernel.whole
        for event in range(found.events):
            touches = found.machine.run(event)
            check_writes(found, event, touches)
            for operand, element in sampled(found):
                read = ("r", operand, element) in touches
                assert found.fault_after_damage(event, operand, element) == read

    check()


@SETTINGS
@given(DATA_DEPENDENT)
def test_what_a_kernel_may_read_is_compared(call):
    found = bench(call)
    for event in range(found.events):
        touches = found.machine.run(event)
        check_writes(found, event, touches)
        for operand, element in sampled(found):
            if ("r", operand, element) in touches:
                assert found.fault_after_damage(event, operand, element)


@SETTINGS
@given(EXACT["convolution"])
def test_accesses_beside_a_tensor_are_reported(call):
    found = bench(call)
    output = len(found.elements) - 1
    touches = found.machine.run(found.events - 1)
    for operand, mode, kind in ((0, "r", READ_OUTSIDE), (output, "w", WRITE_OUTSIDE)):
        highest = max((at for m, k, at in touches if (m, k) == (mode, operand)), default=-1)
        for room in (highest, highest + 1):
            if room < 0:
                continue
            places = found.places()
            places[operand, ROOM] = room
            report = found.run(found.clean.copy(), places, found.events - 1)
            assert report[0] == (kind if room == highest else 0)
