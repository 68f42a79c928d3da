"""Generated C of models of every odd shape computes what their modules do."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import tvm
from aot.edge_models import EDGE_MODELS
from aot.host_library import build_library
from tvm import relax

import tvm_tiny

# Integer networks round otherwise than float ones; libm and LLVM differ in their last bits.
TOLERANCE = {"network": {"atol": 2 / 256}, "float_operators": {"rtol": 1e-5}}
TARGET = tvm.target.Target({"kind": "llvm", "opt-level": 0})


def compile_quietly(mod: tvm.IRModule, **options: object) -> tvm_tiny.CompiledModel:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of float operators
        return tvm_tiny.build(mod, **options)


def random_inputs(mod: tvm.IRModule) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = []
    for param in mod["main"].params:
        shape, dtype = [int(d) for d in param.ty.shape], str(param.ty.dtype)
        low = -128 if dtype == "int8" else 0
        if dtype == "float32":
            arrays.append(rng.normal(0, 5, shape).astype(dtype))
        else:
            arrays.append(rng.integers(low, low + 256, shape).astype(dtype))
    return arrays


def run_module(mod: tvm.IRModule, inputs: list[np.ndarray]) -> list[np.ndarray]:
    machine = relax.VirtualMachine(tvm.compile(mod, TARGET), tvm.cpu())
    result = machine["main"](*map(tvm.runtime.tensor, inputs))
    return [
        r.numpy() for r in (result if isinstance(mod["main"].ret_ty, relax.TupleType) else [result])
    ]


@pytest.mark.parametrize("io_in_arena", [True, False], ids=["arena", "caller"])
@pytest.mark.parametrize("fold_edges", [True, False], ids=["folded", "edges"])
@pytest.mark.parametrize("name", EDGE_MODELS)
def test_c_computes_what_the_module_does(name, fold_edges, io_in_arena, tmp_path):
    mod = EDGE_MODELS[name]()
    inputs = random_inputs(mod)
    model = compile_quietly(mod, name=name, fold_edges=fold_edges, io_in_arena=io_in_arena)
    actual = build_library([model], tmp_path)[name].infer(inputs)
    expected = run_module(mod, inputs)
    assert len(actual) == len(expected)
    for mine, wanted in zip(actual, expected, strict=True):
        assert mine.shape == wanted.shape
        assert mine.dtype == wanted.dtype
        np.testing.assert_allclose(mine, wanted, **TOLERANCE.get(name, {"rtol": 0}))


def test_model_that_computes_nothing_has_only_a_copy(tmp_path):
    model = compile_quietly(EDGE_MODELS["identity"]())
    assert [call.op for call in model.program.calls] == ["copy"]


def test_scratch_of_float_kernels_is_in_the_arena_not_on_the_stack():
    model = compile_quietly(EDGE_MODELS["float_operators"]())
    assert model.program.kernels.needs_libm
    text = model.program.kernels.definitions
    arrays = [line for line in text.splitlines() if line.strip().endswith("];") and "=" not in line]
    assert all(int(line.split("[")[1].split("]")[0]) <= 4 for line in arrays), arrays


def test_tensor_names_of_hoisted_kernels_are_the_models():
    model = compile_quietly(EDGE_MODELS["float_operators"]())
    assert {"soft", "real", "y"} <= {call.name for call in model.program.calls}
