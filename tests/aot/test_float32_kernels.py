"""Rounding in float32: the C of micro-kernels gives the bytes of that of portable kernels."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from aot.host_library import build_library
from aot.relax_models import island, module
from aot.test_edge_models import compile_quietly
from tvm import relax
from tvm.relax import op as R

LAYOUTS = {"data_layout": "NHWC", "kernel_layout": "OHWI"}


def odd_network() -> tvm.IRModule:
    """Nothing divides by two: pixels and filters are left over at the ends of all tiles.

    The scales' quotients are of few bits: in float32 many products are ties.
    """
    rng = np.random.default_rng(5)

    def body(emit, x):
        def conv(x, outputs, kernel, groups, name):
            shape = outputs, kernel, kernel, int(x.ty.shape[3]) // groups
            values = relax.const(rng.integers(-127, 128, shape).astype("int8"))
            scales = relax.const((rng.integers(1, 16, outputs) / 2048).astype("float32"))
            zeros = relax.const(np.zeros(outputs, "int8"))
            w = emit(R.dequantize(values, scales, zeros, 0))
            attrs = {"padding": [kernel // 2] * 4, "groups": groups, **LAYOUTS}
            return island(emit, lambda v: R.nn.conv2d(v, w, **attrs), x, name=name)

        x = conv(x, 5, 3, 1, "first")
        x = conv(x, 5, 3, 5, "second")
        return [conv(x, 9, 1, 1, "third")]

    mod = module({"x": ((1, 7, 5, 3), "int8")}, body, ["y"])
    main = mod.get_global_var("main")
    mod.update_func(main, mod["main"].with_attr("tvm_tiny.rounding", "float32"))
    return mod


@pytest.mark.parametrize("kernels", ["dsp", "mve", "plain"])
def test_micro_kernels_give_the_bytes_of_portable_ones(kernels, tmp_path):
    models = [compile_quietly(odd_network(), name=k, kernels=k) for k in ("portable", kernels)]
    calls = [m.program.kernels.definitions.count("_float32(") for m in models]
    assert calls[0] == 0 < calls[1]
    library = build_library(models, tmp_path)
    rng = np.random.default_rng(0)
    for _ in range(10):
        x = rng.integers(-128, 128, (1, 7, 5, 3), "int8")
        (expected,), (actual,) = (library[m.program.name].run([x]) for m in models)
        np.testing.assert_array_equal(actual, expected)


def test_minimal_scratch_kernels_give_them_too(tmp_path):
    """What fast kernels do not fit in takes the depthwise convolution without scratch."""
    fast = compile_quietly(odd_network(), name="fast", kernels="dsp", minimize=True)
    budget = fast.workspace_bytes - 8
    minimal = compile_quietly(odd_network(), name="minimal", kernels="dsp", sram=budget)
    assert minimal.workspace_bytes <= budget
    assert "tvm_tiny_dsp_depthwise_in_place_float32(" in minimal.program.kernels.definitions
    library = build_library([fast, minimal], tmp_path)
    x = np.random.default_rng(1).integers(-128, 128, (1, 7, 5, 3), "int8")
    (expected,), (actual,) = (library[name].run([x]) for name in ("fast", "minimal"))
    np.testing.assert_array_equal(actual, expected)
