"""What tests of single operators share: run a module, list its operators, compare its values.

The expected values are float maths on the dequantized input, quantized at the end; the VM computes
in float32, so the two may differ by a step where a value lies half-way.
"""

from __future__ import annotations

import numpy as np
import tvm
from tflite_models import IN, OUT
from tvm import relax

from tvm_tiny.frontend.tflite import from_tflite

I32 = np.int32
S = (1, 4, 5, 3)


def run(module, *inputs):
    """The module's outputs on the host's VM, as a list of arrays."""
    relax.analysis.well_formed(module)
    vm = relax.VirtualMachine(relax.build(module, "llvm"), tvm.cpu())
    result = vm["main"](*[tvm.runtime.tensor(x) for x in inputs])
    parts = [result] if hasattr(result, "numpy") else list(result)
    return [part.numpy() for part in parts]


def operators(module):
    """Names of the Relax operators in order, without the quantize and dequantize around them."""
    names = [
        binding.value.op.name.removeprefix("relax.")
        for block in module["main"].body.blocks
        for binding in block.bindings
        if isinstance(binding.value, relax.Call)
    ]
    return [name for name in names if name not in {"quantize", "dequantize"}]


def values(module):
    """All calls of the main function."""
    bindings = [b for block in module["main"].body.blocks for b in block.bindings]
    return [b.value for b in bindings if isinstance(b.value, relax.Call)]


def sample(shape, seed=0):
    return np.random.default_rng(seed).integers(-128, 128, shape, np.int8)


def check_unary(model, function, expected_operators, shape, seed=0, read=IN, written=OUT):
    """`read`, `written`: quantization of x and y; copies of integers read x as y's."""
    module = from_tflite(model)
    assert operators(module) == expected_operators
    x = sample(shape, seed)
    (y,) = run(module, x)
    expected = written.integer(function(read.real(x)))
    assert y.shape == expected.shape
    assert np.unique(expected).size > 1, "a constant result would prove nothing"
    assert np.abs(y.astype(int) - expected).max() <= 1


def check_copy(model, function, expected_operators, shape):
    """The operator's integers are copies of x's, whatever scale and zero point of x are."""
    check_unary(model, function, expected_operators, shape, read=OUT)


def relu6(x):
    return np.clip(x, 0, 6)
