"""Softmax where its sum leaves the range that the reference kernels' own code covers."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import relax

from tvm_tiny import ops
from tvm_tiny.passes.lower_qdq.softmax import exp_table
from tvm_tiny.reference import activation, softmax_rescaled
from tvm_tiny.reference.log_softmax_rescaled import log_softmax, log_tables
from tvm_tiny.reference.quantization import Quant

SOURCE = Quant(0.1, 0)


def machine(length: int, operator: str, tables, **attrs: int):
    x = relax.Var("x", relax.TensorType((1, length), "int8"))
    builder = relax.BlockBuilder()
    with builder.function("main", [x]):
        with builder.dataflow():
            held = [relax.const(table.astype("int32")) for table in tables]
            out = builder.emit_output(ops.call(operator, [x, *held], **attrs))
        builder.emit_func_output(out)
    executable = relax.build(builder.get(), tvm.target.Target("llvm"))
    return relax.VirtualMachine(executable, tvm.cpu())["main"]


def rows(length: int):
    rng = np.random.default_rng(length)
    kinds = [np.full(length, 7), rng.integers(-128, 128, length), np.r_[127, [-128] * (length - 1)]]
    return [kind.reshape(1, length).astype("int8") for kind in kinds]


@pytest.mark.parametrize("length", [1, 2, 511, 512, 513, 4095])
def test_any_length_up_to_what_the_sum_holds(length):
    run = machine(length, "qsoftmax", [exp_table(SOURCE.scale, 1.0)])
    for x in rows(length):
        found = run(tvm.runtime.tensor(x)).numpy()
        np.testing.assert_array_equal(found, activation.softmax(x, SOURCE))


@pytest.mark.parametrize("length", [1, 2, 4095])
@pytest.mark.parametrize("scales", [(0.1, 0.05), (1e-4, 1e-6), (8.0, 1e-4), (1e-4, 5.0)])
def test_log_softmax_of_any_scales_and_length(length, scales):
    x_scale, y_scale = scales
    tables = log_tables(x_scale, y_scale)
    held = tables.exponentials, tables.differences, tables.powers, tables.points
    run = machine(length, "qlog_softmax_rescaled", held, y_zp=100)
    for x in rows(length):
        found = run(tvm.runtime.tensor(x)).numpy()
        np.testing.assert_array_equal(found, log_softmax(x, Quant(x_scale, 0), Quant(y_scale, 100)))


@pytest.mark.parametrize("length", [1, 3, 600, 4095])
@pytest.mark.parametrize("scale", [1e-8, 1e-5, 0.003, 0.7, 5.0])
def test_softmax_of_any_output_scale_and_length(length, scale):
    multiplier, exponent = softmax_rescaled.output_factor(scale)
    factor = {"multiplier": multiplier, "exponent": exponent, "y_zp": -5}
    powers = softmax_rescaled.exponentials(SOURCE.scale)
    run = machine(length, "qsoftmax_rescaled", [powers], **factor)
    for x in rows(length):
        found = run(tvm.runtime.tensor(x)).numpy()
        expected = softmax_rescaled.softmax(x, SOURCE, Quant(scale, -5))
        np.testing.assert_array_equal(found, expected)
        shares = np.exp(SOURCE.scale * (x.astype(float) - x.max()))
        steps = np.clip(shares / shares.sum() / scale - 5, -128, 127)
        assert np.abs(found - steps).max() < 0.501
