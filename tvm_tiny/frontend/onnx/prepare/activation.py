"""Hard-swish, which exporters spell out, as the one operator it is."""

from __future__ import annotations

import numpy as np

from tvm_tiny.frontend.onnx.graph import Graph


def fuse_hard_swish(graph: Graph) -> None:
    """`x * HardSigmoid(x)` and `x * Clip(x + 3, 0, 6) / 6` become HardSwish(x)."""
    for node in list(graph.nodes):
        if node.op != "Mul" or node.domain or len(node.inputs) != 2:
            continue
        for position in (0, 1):
            if _is_gate(graph, node.inputs[1 - position], node.inputs[position]):
                node.op, node.inputs, node.attrs = "HardSwish", [node.inputs[position]], {}
                break


def _is_gate(graph: Graph, name: str, x: str) -> bool:
    """Whether tensor `name` is clip(x / 6 + 1/2, 0, 1) and used here only."""
    gate = graph.producers().get(name)
    if gate is None or graph.sole_consumer(name) is None:
        return False
    if gate.op == "HardSigmoid" and gate.inputs[0] == x:
        alpha, beta = gate.attrs.get("alpha", 0.2), gate.attrs.get("beta", 0.5)
        return bool(np.isclose(alpha, 1 / 6, rtol=1e-4) and beta == 0.5)
    if gate.op in ("Div", "Mul"):
        factor = 6.0 if gate.op == "Div" else 1 / 6
        return _scalar(graph, gate.input(1), factor) and _is_relu6_of_3(graph, gate.inputs[0], x)
    return False


def _is_relu6_of_3(graph: Graph, name: str, x: str) -> bool:
    clip = graph.producers().get(name)
    if clip is None or clip.op != "Clip" or graph.sole_consumer(name) is None:
        return False
    limits = _scalar(graph, clip.input(1), 0.0) and _scalar(graph, clip.input(2), 6.0)
    limits |= (clip.attrs.get("min"), clip.attrs.get("max")) == (0.0, 6.0)
    add = graph.producers().get(clip.inputs[0])
    return (
        limits
        and add is not None
        and add.op == "Add"
        and graph.sole_consumer(add.outputs[0]) is clip
        and add.inputs[0] == x
        and _scalar(graph, add.input(1), 3.0)
    )


def _scalar(graph: Graph, name: str, value: float) -> bool:
    constant = graph.constants.get(name)
    return constant is not None and constant.size == 1 and bool(np.isclose(constant, value).all())
