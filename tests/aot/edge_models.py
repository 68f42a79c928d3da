"""One module for each odd shape, edge or name a model can have."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tvm
from aot.relax_models import adder, dequantize, island, module, network, quantize
from tvm import relax
from tvm.relax import op as R


def _int8(*shape: int) -> tuple[tuple[int, ...], str]:
    return shape, "int8"


def _identity() -> tvm.IRModule:
    return module({"x": _int8(2, 3)}, lambda emit, x: [x], ["y"])


def _repeated_outputs() -> tvm.IRModule:
    def body(emit, x):
        y = island(emit, R.nn.relu, x)
        return [y, y, x, emit(R.reshape(y, (6,)))]

    return module({"x": _int8(2, 3)}, body, ["y", "y", "x", "flat"])


def _repeated_tuple_items() -> tvm.IRModule:
    def body(emit, x):
        parts = emit(R.split(x, 2, -1))
        return [emit(parts[0]), emit(parts[1]), emit(parts[0])]

    return module({"x": _int8(4, 6)}, body, ["low", "high", "low again"])


def _constant_outputs() -> tvm.IRModule:
    def body(emit, x):
        bound = emit(relax.const(np.arange(3, dtype="int32")))
        return [relax.const(np.arange(4, dtype="int8")), bound, island(emit, R.nn.relu, x)]

    return module({"x": _int8(2, 3)}, body, ["c", "d", "y"])


def _no_inputs() -> tvm.IRModule:
    return module({}, lambda emit: [relax.const(np.arange(4, dtype="int8"))], ["c"])


def _activation(*shape: int) -> Callable[[], tvm.IRModule]:
    return lambda: module({"x": _int8(*shape)}, lambda emit, x: [island(emit, R.nn.relu, x)], ["y"])


def _uint8_edges() -> tvm.IRModule:
    def body(emit, x):
        inner = emit(quantize(emit(dequantize(x, 0.1, 130, "uint8")), 0.1, 2))
        y = emit(dequantize(island(emit, R.nn.relu, inner), 0.1, 0))
        return [emit(quantize(y, 0.1, 128, "uint8"))]

    return module({"x": ((2, 3), "uint8")}, body, ["y"])


def _float_edges() -> tvm.IRModule:
    def body(emit, x):
        y = island(emit, R.nn.relu, emit(quantize(x, 0.1, 0)))
        return [emit(dequantize(y, 0.1, 0))]

    return module({"x": ((2, 3), "float32")}, body, ["y"])


def _float_operators() -> tvm.IRModule:
    """No integer form: exp between int8 tensors, and a float softmax, which needs scratch."""

    def body(emit, x):
        y = island(emit, R.exp, x)
        real = emit(dequantize(x, 0.1, 0), name_hint="real")
        return [y, emit(R.nn.softmax(real, -1), name_hint="soft")]

    return module({"x": _int8(4, 300)}, body, ["exp", "softmax"])


def _argmax() -> tvm.IRModule:
    def body(emit, x):
        return [emit(R.argmax(emit(dequantize(x, 0.1, 0)), -1))]

    return module({"x": _int8(4, 30)}, body, ["index"])


def _embedding() -> tvm.IRModule:
    """Rows of a constant table; random indices go beyond it."""
    table = relax.const(np.resize(np.arange(-128, 128), (60, 8)).astype("int8"))

    def body(emit, ids):
        rows = R.take(emit(dequantize(table, 0.1, 0)), ids, 0, "clip")
        return [emit(quantize(emit(rows), 0.1, 0))]

    return module({"ids": ((1, 9), "int64")}, body, ["rows"])


def _gathered_activation() -> tvm.IRModule:
    """Rows of a tensor that is computed before: all of them must be there."""

    def body(emit, x, ids):
        y = island(emit, R.nn.relu, x)
        rows = R.take(emit(dequantize(y, 0.1, 0)), ids, 1, "clip")
        return [emit(quantize(emit(rows), 0.1, 0))]

    return module({"x": _int8(1, 200, 4), "ids": ((5,), "int32")}, body, ["rows"])


def _choice() -> tvm.IRModule:
    """bool as an input, as an output, inside and as a constant."""

    def body(emit, x, mask):
        real = emit(dequantize(x, 0.1, 0))
        above = emit(R.greater(real, relax.const(np.float32(0.45))))
        both = emit(R.logical_and(emit(R.logical_or(above, relax.const(np.eye(4) > 0))), mask))
        other = emit(R.negative(relax.const(np.ones((4, 4), "float32"))))
        return [both, emit(quantize(emit(R.where(both, real, other)), 0.1, 0))]

    return module({"x": _int8(4, 4), "mask": ((4, 4), "bool")}, body, ["both", "chosen"])


def _unused_input() -> tvm.IRModule:
    return module(
        {"x": _int8(4, 3), "unused": _int8(3)},
        lambda emit, x, unused: [island(emit, R.nn.relu, x)],
        ["y"],
    )


EDGE_MODELS: dict[str, Callable[[], tvm.IRModule]] = {
    "network": network,
    "two_inputs": adder,
    "batch_2": lambda: adder(shape=(2, 4, 4, 3)),
    "strange_names": lambda: adder(("a b*/", '9x\\\n"é'), '*/ "q" \\ ??/ 北'),
    "keywords": lambda: adder(("int", "class"), "register"),
    "empty_names": lambda: adder(("", ""), ""),
    "same_names": lambda: adder(("a", "b"), "a", same_names="dup"),
    "names_alike": lambda: adder(("a.b", "a/b"), "a_b"),
    "identity": _identity,
    "repeated_outputs": _repeated_outputs,
    "repeated_tuple_items": _repeated_tuple_items,
    "constant_outputs": _constant_outputs,
    "no_inputs": _no_inputs,
    "rank_0": _activation(),
    "rank_1": _activation(5),
    "rank_5": _activation(2, 2, 2, 2, 3),
    "no_elements": _activation(0, 3),
    "uint8_edges": _uint8_edges,
    "float_edges": _float_edges,
    "float_operators": _float_operators,
    "argmax": _argmax,
    "choice": _choice,
    "embedding": _embedding,
    "gathered_activation": _gathered_activation,
    "unused_input": _unused_input,
}
