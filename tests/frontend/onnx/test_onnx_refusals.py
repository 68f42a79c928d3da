"""Operators that no C comes of: one line that names operator and tensor and says what to do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tvm_tiny.errors import UnsupportedError
from tvm_tiny.frontend.onnx import from_onnx

SHAPE = (1, 4, 6, 8)
FLOAT = TensorProto.FLOAT


def body(op: str, result: str) -> onnx.GraphProto:
    """A branch of an If: `op` of the tensor outside."""
    info = helper.make_tensor_value_info(result, FLOAT, SHAPE)
    return helper.make_graph([helper.make_node(op, ["d"], [result])], result, [], [info])


def repeated() -> onnx.GraphProto:
    """One turn of a Loop that carries one tensor."""
    info = helper.make_tensor_value_info
    ends = [("turn", TensorProto.INT64), ("goes", TensorProto.BOOL), ("on", TensorProto.BOOL)]
    turn, goes, on = (info(name, kind, []) for name, kind in ends)
    nodes = [helper.make_node("Identity", ["goes"], ["on"]), helper.make_node("Abs", ["a"], ["b"])]
    tensors = [info(name, FLOAT, SHAPE) for name in "ab"]
    return helper.make_graph(nodes, "loop", [turn, goes, tensors[0]], [on, tensors[1]])


def cell(gates: int) -> tuple[list[str], dict[str, object], dict[str, np.ndarray]]:
    weights = np.zeros((1, gates * 2, 8), "float32"), np.zeros((1, gates * 2, 2), "float32")
    return ["r", "w", "k"], {"hidden_size": 2}, dict(zip("wk", weights, strict=True))


INDICES = np.array([[0, 1]])
# Operator -> inputs after QuantizeLinear and DequantizeLinear, attributes, constants.
OPERATORS: dict[str, tuple[list[str], dict[str, object], dict[str, np.ndarray]]] = {
    "Compress": (["d", "c"], {"axis": 1}, {"c": np.array([True, False, True, False])}),
    "CumSum": (["d", "c"], {}, {"c": np.array(1)}),
    "Einsum": (["d", "d"], {"equation": "abcd,abce->abde"}, {}),
    "GRU": cell(3),
    "If": (["c"], {"then_branch": body("Abs", "t"), "else_branch": body("Neg", "e")},
           {"c": np.array(True)}),
    "LSTM": cell(4),
    "Loop": (["n", "c", "d"], {"body": repeated()}, {"n": np.array(3), "c": np.array(True)}),
    "NonZero": (["d"], {}, {}),
    "RandomNormal": ([], {"shape": SHAPE}, {}),
    "RandomNormalLike": (["d"], {}, {}),
    "ScatterND": (["d", "i", "u"], {}, {"i": INDICES, "u": np.zeros((1, 6, 8), "float32")}),
    "TopK": (["d", "k"], {"axis": -1}, {"k": np.array([3])}),
}  # fmt: skip
REMEDIES = {
    "Compress": "the shape of its result depends on",
    "GRU": "a fixed number of steps",
    "If": "export one branch",
    "LSTM": "a fixed number of steps",
    "Loop": "a fixed number of repetitions",
    "NonZero": "the shape of its result depends on",
    "RandomNormal": "make that an input",
    "RandomNormalLike": "make that an input",
}


def model(op: str, domain: str = "") -> onnx.ModelProto:
    inputs, attributes, constants = OPERATORS.get(op, (["d"], {}, {}))
    held = {"s": np.float32(0.05), "z": np.int8(3), "flat": np.array([24, 1, 8]), **constants}
    results = ["y", "places"] if op == "TopK" else ["y"]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("Reshape", ["d", "flat"], ["r"]),
        helper.make_node(op, inputs, results, domain=domain, **attributes),
    ]
    image = helper.make_tensor_value_info("x", FLOAT, SHAPE)
    kind = TensorProto.INT64 if op == "NonZero" else FLOAT
    ranks = {"GRU": 4, "LSTM": 4, "NonZero": 2}
    result = helper.make_tensor_value_info("y", kind, [f"d{k}" for k in range(ranks.get(op, 4))])
    stored = [numpy_helper.from_array(np.asarray(v), name) for name, v in held.items()]
    graph = helper.make_graph(nodes, "g", [image], [result], stored)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def refusal(make: Callable[[], onnx.ModelProto]) -> str:
    with pytest.raises(UnsupportedError) as caught:
        from_onnx(make())
    message = str(caught.value)
    assert "\n" not in message
    assert "frontend" not in message
    return message


@pytest.mark.parametrize("op", OPERATORS)
def test_an_operator_without_c_is_named_with_what_to_do(op):
    message = refusal(lambda: model(op))
    assert message.startswith(f"{op} (tensor 'y'): ")
    assert "not supported; " in message
    assert REMEDIES.get(op, "replace it by supported operators") in message


def test_an_operator_of_another_domain_is_named_with_what_to_do():
    message = refusal(lambda: model("Mine", "mine"))
    assert message.startswith("Mine (tensor 'y'): unknown operator domain 'mine'; replace it by")
