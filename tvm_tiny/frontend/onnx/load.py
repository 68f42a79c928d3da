"""Reads and checks an ONNX model, and turns it into a `Graph`.

Everything that can be wrong with a file is reported here in one line: later modules see no
malformed protobuf, no dynamic shape and no tensor too large to compile.
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.inliner

from tvm_tiny.errors import ModelError, UnsupportedError
from tvm_tiny.reference.onnx_file import embed_external_data, is_open, parse_model, pin_batch

from ..remedies import remedy
from .graph import Array, Graph, Node, TensorType

MAX_TENSOR_ELEMENTS = 2**31 - 1
OLDEST_OPSET, STANDARD_DOMAINS = 7, ("", "ai.onnx")
KNOWN_DOMAINS = (*STANDARD_DOMAINS, "com.microsoft")


class DynamicBatchWarning(UserWarning):
    """A warning that a model's batch size is dynamic and is taken as 1."""


def first_line(error: BaseException) -> str:
    """The first non-empty line of an error's text, shortened, for messages of one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__


def read_model(model: Path | str | bytes | Any) -> Any:
    """A checked `onnx.ModelProto` from a file, from bytes, or copied from a protobuf.

    Raises:
        ModelError: not a readable, valid ONNX model.
        UnsupportedError: control flow or sparse constants.

    """
    proto = _parse(model)
    if not proto.HasField("graph") or not proto.graph.node or not proto.opset_import:
        raise ModelError(f"{_label(model)} is not an ONNX model: it has no graph with operators")
    if proto.graph.sparse_initializer:
        raise UnsupportedError("sparse initializers are not supported; store them as dense tensors")
    _check_constants(proto)
    _take_batch_of_one(proto)
    try:
        if proto.functions:
            proto = onnx.inliner.inline_local_functions(proto)
        proto = _with_output_types(proto)
        onnx.checker.check_model(proto)
    except (onnx.checker.ValidationError, ValueError, RuntimeError, TypeError) as error:
        raise ModelError(
            f"{_label(model)} is not a valid ONNX model: {first_line(error)}"
        ) from None
    _refuse_control_flow(proto)
    return proto


def _label(model: Any) -> str:
    return f"'{model}'" if isinstance(model, (str, Path)) else "the ONNX model"


def _parse(model: Path | str | bytes | Any) -> Any:
    if isinstance(model, (str, Path)):
        return parse_model(Path(model))
    if not isinstance(model, onnx.ModelProto):
        return parse_model(bytes(model))
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    embed_external_data(copy, None)
    return copy


def _take_batch_of_one(proto: Any) -> None:
    names = pin_batch(proto)
    if names:
        inputs = " and ".join(f"'{name}'" for name in names)
        warnings.warn(
            f"the batch of {inputs} is dynamic; it is taken as 1", DynamicBatchWarning, stacklevel=4
        )


def _with_output_types(proto: Any) -> Any:
    """`proto` with shapes for outputs that have none, as skl2onnx and other tools write them."""
    if all(value.type.tensor_type.HasField("shape") for value in proto.graph.output):
        return proto
    return onnx.shape_inference.infer_shapes(proto)


def _check_constants(proto: Any) -> None:
    """Reject, before any allocation, constants whose size and data disagree."""
    for tensor in proto.graph.initializer:
        elements = math.prod(tensor.dims)
        if min(tensor.dims, default=0) < 0 or elements > MAX_TENSOR_ELEMENTS:
            raise ModelError(f"constant '{tensor.name}' has impossible shape {list(tensor.dims)}")
        to_array(tensor)


def to_array(tensor: Any) -> Array:
    """A constant's value; ModelError where its data does not fit its type and shape."""
    try:
        return np.asarray(onnx.numpy_helper.to_array(tensor))
    except (ValueError, TypeError, KeyError, RuntimeError, OverflowError) as error:
        raise ModelError(
            f"constant '{tensor.name}' of shape {list(tensor.dims)} is corrupt: {first_line(error)}"
        ) from None


def _refuse_control_flow(proto: Any) -> None:
    graph_kinds = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
    reasons = [
        f"{node.op_type} (tensor '{node.output[0] if node.output else ''}'): "
        f"control flow is not supported; {remedy(node.op_type)}"
        for node in proto.graph.node
        if any(attribute.type in graph_kinds for attribute in node.attribute)
    ]
    if reasons:
        raise UnsupportedError(reasons)


def to_graph(proto: Any) -> Graph:
    """Turn a model from `read_model` into a `Graph` with static types.

    Raises:
        ModelError: shape inference finds a contradiction.
        UnsupportedError: dynamic shapes, an opset out of range, or unknown operator domains.

    """
    opset = _opset(proto)
    try:
        proto = onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError) as error:
        raise ModelError(f"the ONNX model contradicts itself: {first_line(error)}") from None
    graph = proto.graph
    constants = {tensor.name: to_array(tensor) for tensor in graph.initializer}
    # Before IR version 4 every initializer had to be listed as an input, too.
    inputs = {v.name: _input_type(v) for v in graph.input if v.name not in constants}
    types = dict(inputs)
    for value in (*graph.value_info, *graph.output):
        known = _static_type(value)
        if known is not None:
            types[value.name] = known
    nodes = [_node(node) for node in graph.node]
    return Graph(nodes, constants, inputs, [v.name for v in graph.output], types, opset)


def _opset(proto: Any) -> int:
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    reasons = [
        f"{node.op_type} (tensor '{node.output[0] if node.output else ''}'): "
        f"unknown operator domain '{node.domain}'; {remedy('')}"
        for node in proto.graph.node
        if node.domain not in KNOWN_DOMAINS
    ]
    if reasons:
        raise UnsupportedError(reasons)
    opset = int(versions.get("", versions.get("ai.onnx", 0)))
    if opset < OLDEST_OPSET:
        raise UnsupportedError(
            f"the model uses ONNX opset {opset}, the oldest supported one is {OLDEST_OPSET}; "
            "convert it: onnx.version_converter.convert_version(model, 13)"
        )
    return opset


def _node(node: Any) -> Node:
    attrs = {}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, onnx.TensorProto):
            value = to_array(value)
        attrs[attribute.name] = (
            value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        )
    domain = "" if node.domain in STANDARD_DOMAINS else node.domain
    return Node(node.op_type, list(node.input), list(node.output), attrs, domain)


def _input_type(value: Any) -> TensorType:
    if not value.type.HasField("tensor_type"):
        raise UnsupportedError(f"input '{value.name}' is not a tensor")
    dims = value.type.tensor_type.shape.dim
    open_dims = [dim for dim in dims if is_open(dim)]
    known = _static_type(value)
    if open_dims or known is None:
        raise UnsupportedError(_dynamic(value.name, dims, open_dims))
    return known


def _dynamic(name: str, dims: Any, open_dims: list[Any]) -> str:
    """A message that shows an input's dynamic dimensions and the command that fixes them."""
    shown = [d.dim_param or (d.dim_value if d.HasField("dim_value") else "?") for d in dims]
    symbol = next((dim.dim_param for dim in open_dims if dim.dim_param), "")
    sizes = ",".join("SIZE" if is_open(dim) else str(dim.dim_value) for dim in dims)
    how = (
        f"--dim_param {symbol} --dim_value SIZE"
        if symbol
        else f"--input_name {name} --input_shape {sizes}"
    )
    return (
        f"input '{name}' has dynamic shape {shown}; every dimension must be a number; set them: "
        f"python -m onnxruntime.tools.make_dynamic_shape_fixed {how} model.onnx fixed.onnx"
    )


def _static_type(value: Any) -> TensorType | None:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape") or any(not d.HasField("dim_value") for d in tensor.shape.dim):
        return None
    shape = tuple(int(dim.dim_value) for dim in tensor.shape.dim)
    if math.prod(shape) > MAX_TENSOR_ELEMENTS:
        raise UnsupportedError(
            f"tensor '{value.name}' of shape {list(shape)} has more than 2^31-1 elements"
        )
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    except (KeyError, ValueError, TypeError):
        return None
    return TensorType(shape, str(np.dtype(dtype)))
