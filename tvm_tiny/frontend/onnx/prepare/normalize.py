"""QuantizeLinear and DequantizeLinear get one spelling; nodes without effect are dropped."""

from __future__ import annotations

import numpy as np
import onnx

from ..graph import Array, Graph, Node, QParams, Refused

INTEGERS = ("int8", "uint8", "int32")
# 4-bit weights are stored one to a byte: their values fit int8 as they are.
NARROW = ("int4", "uint4")


def drop_identities(graph: Graph) -> None:
    """Remove Identity and (inference) Dropout; a model output keeps its name."""
    for node in list(graph.nodes):
        if node.op not in ("Identity", "Dropout") or node.domain or any(node.outputs[1:]):
            continue
        source, target = node.inputs[0], node.outputs[0]
        graph.rename_uses(target, source)
        if target in graph.outputs:
            continue  # the converter binds the output's name
        graph.nodes.remove(node)
        if source in graph.constants:
            graph.constants[target] = graph.constants[source]


def normalize_qdq(graph: Graph) -> None:
    """Make scales and zero points explicit constants, scalar or 1-D.

    A scale or zero point that is computed, a block-wise scale, or a type other than int8, uint8 and
    (constants only) int32 is refused with the node's name.
    """
    for node in graph.nodes:
        if node.op in ("QuantizeLinear", "DequantizeLinear"):
            _normalize(graph, node)


def quantized(value: Array, params: QParams) -> Array:
    """QuantizeLinear of a constant: round half to even, then saturate (ONNX operator spec)."""
    shape = [1] * value.ndim
    if not params.per_tensor:
        shape[params.axis] = -1
    scale = params.scale.reshape(shape)
    zero_point = params.zero_point.reshape(shape).astype(np.float64)
    limits = np.iinfo(params.zero_point.dtype)
    steps = np.rint(value.astype(np.float32) / scale).astype(np.float64) + zero_point
    return np.asarray(np.clip(steps, limits.min, limits.max).astype(params.zero_point.dtype))


def _normalize(graph: Graph, node: Node) -> None:
    scale = graph.constants.get(node.input(1))
    zero_point = graph.constants.get(node.input(2)) if node.input(2) else None
    if scale is None or (node.input(2) and zero_point is None):
        raise Refused(f"{node.where}: scale and zero point must be constants")
    if scale.dtype != np.float32 or not (np.isfinite(scale).all() and (scale > 0).all()):
        raise Refused(f"{node.where}: scale must be float32, finite and positive")
    if zero_point is None:
        zero_point = np.zeros(scale.shape, _integer_type(graph, node))
    if str(zero_point.dtype) in NARROW:
        zero_point = zero_point.astype(np.int8)
        _widen_constant(graph, node)
    if str(zero_point.dtype) not in INTEGERS or (
        zero_point.dtype == np.int32 and node.input(0) not in graph.constants
    ):
        raise Refused(f"{node.where}: {zero_point.dtype} quantization is not supported, only int8")
    if zero_point.size not in (1, scale.size):
        raise Refused(f"{node.where}: {zero_point.size} zero points for {scale.size} scales")
    zero_point = zero_point.reshape(scale.shape if zero_point.size == scale.size else ())
    node.attrs["axis"] = _axis(graph, node, scale)
    node.inputs[1:] = [
        graph.constant(
            f"{node.outputs[0]}_scale", scale.reshape(-1) if scale.size > 1 else scale.reshape(())
        ),
        graph.constant(
            f"{node.outputs[0]}_zero_point",
            np.ascontiguousarray(np.broadcast_to(zero_point, scale.shape)).reshape(
                -1 if scale.size > 1 else ()
            ),
        ),
    ]


def _integer_type(graph: Graph, node: Node) -> str:
    """The integer type of a node without a zero point, which would state it."""
    if node.op == "QuantizeLinear":
        code = node.attrs.get("output_dtype", 0)
        return str(onnx.helper.tensor_dtype_to_np_dtype(code)) if code else "uint8"
    if node.inputs[0] in graph.constants:
        return str(graph.constants[node.inputs[0]].dtype)
    known = graph.types.get(node.inputs[0])
    return known.dtype if known is not None else "uint8"


def _widen_constant(graph: Graph, node: Node) -> None:
    value = graph.constants.get(node.inputs[0])
    if value is None or node.op != "DequantizeLinear":
        raise Refused(f"{node.where}: 4-bit activations are not supported")
    node.inputs[0] = graph.constant(f"{node.inputs[0]}_int8", value.astype(np.int8))


def _axis(graph: Graph, node: Node, scale: Array) -> int:
    """The axis of the scales, checked against the shape; -1 for a single scale."""
    if node.attrs.get("block_size", 0) or (scale.ndim > 1 and scale.size > 1):
        raise Refused(f"{node.where}: block-wise quantization is not supported")
    if scale.size == 1:
        return -1
    constant = graph.constants.get(node.inputs[0])
    if constant is None:
        raise Refused(f"{node.where}: per-channel quantization of activations is not supported")
    axis = int(node.attrs.get("axis", 1))
    axis += constant.ndim if axis < 0 else 0
    if not 0 <= axis < constant.ndim or constant.shape[axis] != scale.size:
        raise Refused(
            f"{node.where}: {scale.size} scales do not fit axis {axis} of shape "
            f"{list(constant.shape)}"
        )
    return axis


def drop_dead(graph: Graph) -> None:
    """Remove nodes that no model output depends on."""
    alive = set(graph.outputs)
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if alive.intersection(name for name in node.outputs if name):
            alive.update(node.inputs)
            kept.append(node)
    graph.nodes = kept[::-1]
