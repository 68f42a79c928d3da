"""Micro-kernels whose results lie over their inputs, as closely as their TIR allows.

Plans follow the order in which a kernel's TIR reads and writes; the C function in its place has to
keep it. Placed to the byte, not in steps of 8, no slack hides a write that comes too early.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import pytest
from aot.host_library import build_library
from aot.test_edge_models import compile_quietly
from int8_graphs import conv
from islands import module, run
from test_select_kernels import SUM, dense, in_float32

import tvm_tiny
from tvm_tiny import ops
from tvm_tiny.lowering.graph import read_graph
from tvm_tiny.lowering.memory_plan import ATTRIBUTE, MemoryPlan
from tvm_tiny.schedules.packed.isa import ISAS
from tvm_tiny.transform import SelectKernels

# Channels in fours and not, fewer and more of the result than of the input.
OPERATORS = {
    "1x1": (lambda x: conv(x, 4, kernel=1), (1, 4, 7, 8)),
    "1x1, wider": (lambda x: conv(x, 9, kernel=1), (1, 4, 7, 4)),
    "1x1, strided": (lambda x: conv(x, 8, kernel=1, stride=2), (1, 5, 7, 4)),
    "3x3": (lambda x: conv(x, 5), (1, 4, 7, 4)),
    "3x3, strided": (lambda x: conv(x, 7, stride=2), (1, 5, 7, 4)),
    "depthwise": (lambda x: conv(x, 6, groups=6), (1, 4, 9, 6)),
    "depthwise, whole vectors": (lambda x: conv(x, 16, groups=16), (1, 4, 9, 16)),
    "depthwise 5x5, strided": (lambda x: conv(x, 6, kernel=5, stride=2, groups=6), (1, 7, 9, 6)),
    "dense": (dense, (5, 8)),
    "sum": (lambda x: ops.call("qadd", [x, x], **SUM), (1, 4, 7, 6)),
}
# All of them, and the products as ONNX rounds them.
CASES = [
    (name, rounds) for name in OPERATORS for rounds in (False, True) if name != "sum" or not rounds
]


def operator(case, x):
    name, in_float = case
    call = OPERATORS[name][0](x)
    return in_float32(call) if in_float else call


def image(case) -> np.ndarray:
    return np.random.default_rng(0).integers(-128, 128, OPERATORS[case[0]][1], "int8")


@functools.cache
def expected() -> dict[tuple[str, bool], np.ndarray]:
    """Results of the portable kernels, which write to memory of their own."""

    def body(emit, *xs):
        return [emit(operator(case, x)) for case, x in zip(CASES, xs, strict=True)]

    images = list(map(image, CASES))
    return dict(zip(CASES, run(module(body, *(x.shape for x in images)), *images), strict=True))


def models(isa: str) -> Iterator[tuple[tuple[str, bool], tvm_tiny.CompiledModel]]:
    """Each operator with every amount of scratch; roundings in turn."""
    levels = range(len(ISAS[isa].scratch_levels) + 1)
    for number, case in enumerate(CASES):
        for level in levels[number % 2 :: 2] if case[0] != "sum" else levels[:1]:
            mod = module(
                lambda emit, x, case=case: emit(operator(case, x), name_hint="y"), image(case).shape
            )
            packed = SelectKernels(isa, scratch_levels={"y": level})(mod)
            yield case, compile_quietly(packed, name=f"m{number}_{level}", kernels="portable")


def lies_over_its_input(model: tvm_tiny.CompiledModel) -> bool:
    plan = MemoryPlan.from_json(str(model.module["main"].attrs[ATTRIBUTE]))
    graph = read_graph(model.module)
    (x,), (y,) = graph.inputs, graph.outputs
    below, above = sorted((plan.offsets[s], graph.storage[s].bytes) for s in (x, y))
    return below[0] + below[1] > above[0]


@pytest.mark.parametrize("isa", ISAS)
def test_results_are_right_where_they_lie_over_the_input(isa, tmp_path, monkeypatch):
    monkeypatch.setattr("tvm_tiny.planning.memory.ALIGNMENT", 1)
    found = list(models(isa))
    library = build_library([model for _, model in found], tmp_path)
    for case, model in found:
        assert lies_over_its_input(model), case
        (result,) = library[model.program.name].infer([image(case)])
        np.testing.assert_array_equal(result, expected()[case], str(case))
