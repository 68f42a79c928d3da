"""Reads an ONNX model: nodes, constants, inputs and outputs as plain Python values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.defs
from onnx import numpy_helper

from tvm_tiny.errors import ModelError, UnsupportedError

from .onnx_file import is_open, parse_model, pin_batch
from .onnx_fusions import Chain, find
from .onnx_qlinear import QLINEAR
from .onnx_real import MICROSOFT as MICROSOFT_ACTIVATIONS
from .onnx_values import Node
from .tensor import TensorInfo

Array = npt.NDArray[Any]
CONTROL_FLOW = {"If", "Loop", "Scan", "SequenceMap"}
ONNX_DOMAINS = ("", "ai.onnx")
MICROSOFT = ("QuantizeLinear", "DequantizeLinear", *MICROSOFT_ACTIVATIONS)
# From this opset on Softmax works along one axis; before, it joined all axes from `axis` on.
SOFTMAX_AXIS_OPSET = 13


@dataclass(frozen=True)
class Graph:
    """A model's main graph, with nodes in execution order."""

    nodes: tuple[Node, ...]
    constants: dict[str, Array]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    opset: int


def read_graph(source: bytes | Path) -> Graph:
    """Parse an ONNX model.

    Raises ModelError where it is not a readable model, and UnsupportedError, with all reasons in
    one list, for operators of unknown domains, control flow and dynamic shapes.
    """
    model = _load(source)
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    opset = opsets.get("", opsets.get("ai.onnx", onnx.defs.onnx_opset_version()))
    nodes = tuple(_node(proto, opset) for proto in model.graph.node)
    try:
        constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"ONNX model: unreadable weights ({error}); export it again") from error
    values = [v for v in model.graph.input if v.name not in constants]
    reasons = [reason for node in nodes for reason in _objections(node)]
    reasons += [reason for v in values for reason in _shape_objections(v)]
    if reasons:
        raise UnsupportedError(reasons)
    inputs = tuple(_info(v, nodes, constants) for v in values)
    outputs = tuple(_info(v, nodes, constants) for v in model.graph.output)
    return Graph(_fused(nodes, constants), constants, inputs, outputs, opset)


def _fused(nodes: Sequence[Node], constants: dict[str, Array]) -> tuple[Node, ...]:
    """The nodes, with chains that `find` knows as one operator.

    The chain's last node becomes the fused operator. Only chains between quantizations are fused.
    """
    chain = Chain(nodes, constants)

    def one(node: Node) -> Node:
        known = find(chain, node) if chain.is_quantized(node) else None
        if known is None or any(
            chain.made_by(name, "DequantizeLinear") is None and not chain.is_constant(name)
            for name in known.inputs
        ):
            return node
        return replace(node, op=known.op, inputs=known.inputs, attributes=known.attributes)

    return tuple(one(node) for node in nodes)


def _load(source: bytes | Path) -> Any:
    model = parse_model(source)
    if not model.graph.node:
        raise ModelError("ONNX model without operators; export it again")
    pin_batch(model)
    return model


def _node(proto: Any, opset: int) -> Node:
    if not isinstance(proto.op_type, str):  # protobuf hands over bytes that are not UTF-8
        raise ModelError("ONNX model is damaged (an operator's name is not text); export it again")
    try:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute}
    except ValueError as error:
        raise ModelError(f"{proto.op_type}: unreadable attribute ({error})") from error
    for key, value in attributes.items():
        if isinstance(value, bytes):
            attributes[key] = value.decode("utf-8", "replace")
    if proto.op_type in ("LogSoftmax", "Softmax") and opset < SOFTMAX_AXIS_OPSET:
        attributes = {"axis": 1, **attributes, "flattens": True}
    return Node(
        proto.op_type,
        proto.domain,
        tuple(proto.input),
        tuple(proto.output),
        attributes,
        proto,
    )


def _objections(node: Node) -> list[str]:
    if node.op in QLINEAR:
        return []
    if node.domain == "com.microsoft" and node.op in MICROSOFT:
        return []
    if node.op in CONTROL_FLOW:
        return [f"{node.where}: control flow is not supported"]
    if node.domain not in ONNX_DOMAINS or not onnx.defs.has(node.op):
        return [f"{node.where}: no reference for this operator"]
    return []


def _shape_objections(value: Any) -> list[str]:
    shape = value.type.tensor_type.shape
    if not value.type.tensor_type.HasField("shape") or any(is_open(dim) for dim in shape.dim):
        return [f"input '{value.name}': shape is dynamic; export with fixed dimensions"]
    return []


def _info(value: Any, nodes: tuple[Node, ...], constants: dict[str, Array]) -> TensorInfo:
    tensor = value.type.tensor_type
    shape = tuple(dim.dim_value for dim in tensor.shape.dim)
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    except KeyError as error:
        raise ModelError(f"tensor '{value.name}': unknown element type {error}") from error
    if dtype not in (np.int8, np.uint8):
        return TensorInfo(value.name, shape, str(dtype))
    scale, zero_point = _quantization(value.name, nodes, constants)
    return TensorInfo(value.name, shape, str(dtype), scale, zero_point)


def _quantization(
    name: str, nodes: tuple[Node, ...], constants: dict[str, Array]
) -> tuple[float | None, int | None]:
    """Scale and zero point of an integer graph input or output.

    They are those of the first node that quantizes or dequantizes it.
    """
    for node in nodes:
        pair = _pair_for(name, node)
        if pair is not None and pair[0] in constants:
            zero = constants.get(pair[1])
            level = 0 if zero is None else int(zero.reshape(-1)[0])
            return float(constants[pair[0]].reshape(-1)[0]), level
    return None, None


def _pair_for(name: str, node: Node) -> tuple[str, str] | None:
    """Names of the scale and zero point that `node` applies to tensor `name`."""
    given = (*node.inputs, "")
    if node.op == "DequantizeLinear" and given[0] == name:
        return given[1], given[2]
    if node.op == "QuantizeLinear" and name in node.outputs:
        return given[1], given[2]
    if node.op in QLINEAR:
        signature = QLINEAR[node.op]
        if name in node.outputs:
            return given[signature.output], given[signature.output + 1]
        starts = signature.operands or tuple(range(2, len(node.inputs), 3))
        for start in starts:
            if given[start] == name:
                return given[start + 1], given[start + 2]
    return None
