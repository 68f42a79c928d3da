"""Each step of a quantized ONNX model by the reference, from the operands onnxruntime has there.

A step is what computes one quantized tensor from others. onnxruntime runs the graph as it stands,
without optimization. Comparing step by step keeps one rounding from being counted again behind
every operator that follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper

from tvm_tiny.reference import ONNXReference


class RefusedError(Exception):
    """onnxruntime does not run the model."""


@dataclass(frozen=True)
class Step:
    """One quantized tensor: by how many integers the reference is off at most."""

    tensor: str
    operators: str
    gap: int


def session(model: Any) -> Any:
    """onnxruntime on the unoptimized graph."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def steps(data: bytes, feeds: Sequence[Mapping[str, np.ndarray]]) -> Iterator[Step]:
    """The steps of a model, over all of `feeds`."""
    model = onnx.load_from_string(data)
    kinds = _integer_kinds(model)
    traced = onnx.ModelProto()
    traced.CopyFrom(model)
    del traced.graph.output[:]
    for name, kind in kinds.items():
        traced.graph.output.append(helper.make_tensor_value_info(name, kind, None))
    try:
        run = session(traced)
        values = [dict(zip(kinds, run.run(None, dict(feed)), strict=True)) for feed in feeds]
    except Exception as error:  # its own types, whatever the reason
        raise RefusedError((str(error).splitlines() or [""])[0][:200]) from error
    for name in kinds:
        nodes = _behind(model, name, set(kinds))
        part = _part(model, nodes, name, kinds, values[0])
        reference = ONNXReference(part.SerializeToString())
        gap = 0
        for feed, known in zip(feeds, values, strict=True):
            given = {v.name: known.get(v.name, feed.get(v.name)) for v in part.graph.input}
            if _is_noise(nodes, given):
                continue
            found = reference.run(given)[name]
            difference = found.astype(int) - known[name].astype(int)
            gap = max(gap, int(np.abs(difference).max(initial=0)))
        yield Step(name, ", ".join(node.op_type for node in nodes), gap)


def _is_noise(nodes: list[Any], operands: dict[str, np.ndarray]) -> bool:
    """Whether one value everywhere is normalized: onnxruntime gives its rounding, magnified."""
    if not any("Normalization" in node.op_type for node in nodes):
        return False
    spreads = [np.ptp(array, axis=axis) for array in operands.values() for axis in _axes(array)]
    return any((spread == 0).any() for spread in spreads)


def _axes(array: np.ndarray) -> list[tuple[int, ...]]:
    """Axes over which normalizations go: the last one, and all but batch and channels."""
    return [(-1,), tuple(range(2, array.ndim))] if array.ndim > 2 else [(-1,)]


def _integer_kinds(model: Any) -> dict[str, int]:
    """Element type of every tensor that a QuantizeLinear makes of something computed."""
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    return {
        node.output[0]: types[node.input[2]]
        for node in model.graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] not in types
    }


def _behind(model: Any, name: str, ends: set[str]) -> list[Any]:
    """The operators between a quantized tensor and the quantized ones it is made from."""
    makers = {out: node for node in model.graph.node for out in node.output}
    wanted, seen = [name], {}
    while wanted:
        node = makers.get(wanted.pop())
        if node is not None and id(node) not in seen:
            seen[id(node)] = node
            wanted += [source for source in node.input if source not in ends]
    return [node for node in model.graph.node if id(node) in seen]


def _part(
    model: Any, nodes: list[Any], name: str, kinds: dict[str, int], values: dict[str, np.ndarray]
) -> Any:
    """A model of `nodes` alone, whose inputs are the quantized tensors before them."""
    read = {source for node in nodes for source in node.input}
    inputs = [
        helper.make_tensor_value_info(source, kind, values[source].shape)
        for source, kind in kinds.items()
        if source in read and source != name
    ]
    inputs += [value for value in model.graph.input if value.name in read]
    constants = [tensor for tensor in model.graph.initializer if tensor.name in read]
    result = helper.make_tensor_value_info(name, kinds[name], values[name].shape)
    graph = helper.make_graph(nodes, "step", inputs, [result], constants)
    return helper.make_model(
        graph, opset_imports=list(model.opset_import), ir_version=model.ir_version
    )
