"""Random TFLite models through LowerQDQ and the virtual machine, against the integer reference."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from islands import Machine
from modelgen import random_tflite

from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.passes.fuse_operators import FuseOperators
from tvm_tiny.passes.lower_qdq import FloatFallbackWarning, LowerQDQ
from tvm_tiny.reference import TFLiteReference


def check(data: bytes, seed: int) -> None:
    """Every output of the machine is the reference's; nothing runs in float."""
    mod = from_tflite(data)
    names = [str(name) for name in mod["main"].attrs["tvm_tiny.output_names"]]
    with warnings.catch_warnings():
        warnings.simplefilter("error", FloatFallbackWarning)
        mod = FuseOperators()(LowerQDQ()(mod))
    machine = Machine(mod)
    reference = TFLiteReference(data)
    for inputs in random_tflite.random_inputs(data, seed, 3):
        expected = reference.run(inputs)
        for name, found in zip(names, machine(*inputs), strict=True):
            assert found.dtype == expected[name].dtype
            np.testing.assert_array_equal(found, expected[name], err_msg=name)


@pytest.mark.parametrize("operator", random_tflite.OPERATORS)
def test_every_operator(operator):
    check(random_tflite.single_op_model(operator, 1), 1)


@pytest.mark.parametrize("seed", range(8))
def test_graphs(seed):
    check(random_tflite.random_model(seed), seed)


@pytest.mark.parametrize("seed", range(8))
def test_graphs_of_unequal_quantization(seed):
    check(random_tflite.random_model(seed, unequal=True), seed)
