"""Softmax where its sum leaves the range that the reference kernels' own code covers."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import relax

from tvm_tiny import ops
from tvm_tiny.passes.lower_qdq.softmax import exp_table
from tvm_tiny.reference.activation import softmax
from tvm_tiny.reference.quantization import Quant


def machine(length: int, scale: float):
    x = relax.Var("x", relax.TensorType((1, length), "int8"))
    builder = relax.BlockBuilder()
    with builder.function("main", [x]):
        with builder.dataflow():
            table = relax.const(exp_table(scale, 1.0).astype("int32"))
            out = builder.emit_output(ops.call("qsoftmax", [x, table]))
        builder.emit_func_output(out)
    executable = relax.build(builder.get(), tvm.target.Target("llvm"))
    return relax.VirtualMachine(executable, tvm.cpu())["main"]


@pytest.mark.parametrize("length", [1, 2, 511, 512, 513, 4095])
def test_any_length_up_to_what_the_sum_holds(length):
    run = machine(length, 0.1)
    rng = np.random.default_rng(length)
    rows = [np.full(length, 7), rng.integers(-128, 128, length), np.r_[127, [-128] * (length - 1)]]
    for row in rows:
        x = row.reshape(1, length).astype("int8")
        found = run(tvm.runtime.tensor(x)).numpy()
        np.testing.assert_array_equal(found, softmax(x, Quant(0.1, 0)))
