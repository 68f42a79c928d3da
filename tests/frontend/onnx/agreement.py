"""Compiled C and the NumPy reference against onnxruntime, node by node without optimization."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from aot.host_library import build_library
from onnx import TensorProto, helper, numpy_helper

import tvm_tiny
from tvm_tiny.frontend.onnx import from_onnx
from tvm_tiny.interface import Port
from tvm_tiny.reference import ONNXReference

Build = Callable[["Net"], list[str]]
SAMPLES = 3


class Net:
    """Collects nodes and constants; called with an operator, it returns the result's name."""

    def __init__(self, opset: int = 17) -> None:
        self.rng = np.random.default_rng(0)
        self.opset = opset
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []

    def input(self, shape: tuple[int, ...] = (1, 4, 6, 5), dtype: str = "float32") -> str:
        """A model input."""
        name = f"x{len(self.inputs)}"
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def const(self, value: Any, dtype: str = "float32") -> str:
        """An initializer."""
        name = f"k{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def __call__(self, op: str, *inputs: str, **attrs: Any) -> str:
        """Append a node with one result."""
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attrs))
        return name

    def q(self, x: str, scale: float = 0.05, zero: int = 3, dtype: str = "int8") -> str:
        """QuantizeLinear."""
        return self("QuantizeLinear", x, self.const(scale), self.const(zero, dtype))

    def dq(self, x: str, scale: float = 0.05, zero: int = 3, dtype: str = "int8") -> str:
        """DequantizeLinear."""
        return self("DequantizeLinear", x, self.const(scale), self.const(zero, dtype))

    def conv(self, x: str, outputs: int = 4, inputs: int = 4) -> str:
        """A convolution with dequantized weights."""
        values = self.rng.integers(-100, 100, (outputs, inputs, 3, 3))
        weights = self.dq(self.const(values, "int8"), 0.0123, 0)
        return self("Conv", x, weights, pads=[1, 1, 1, 1])

    def model(self, outputs: list[str]) -> Any:
        """The model, with the types of its outputs inferred."""
        infos = [helper.make_empty_tensor_value_info(name) for name in outputs]
        graph = helper.make_graph(self.nodes, "net", self.inputs, infos, self.constants)
        imports = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=8)
        inferred = onnx.shape_inference.infer_shapes(model).graph.output
        for info, full in zip(model.graph.output, inferred, strict=True):
            info.CopyFrom(full)
        return model


def models(kinds: Mapping[str, Build], opset: int = 17) -> dict[str, Any]:
    """A model for each entry of a table of builders."""
    made = {}
    for name, build in kinds.items():
        net = Net(opset)
        made[name] = net.model(build(net))
    return made


def feeds(model: Any) -> list[dict[str, np.ndarray]]:
    """Random inputs of a model: floats near zero, integers over all of their range."""
    rng = np.random.default_rng(1)
    return [{v.name: _random(rng, v) for v in model.graph.input} for _ in range(SAMPLES)]


def _random(rng: np.random.Generator, value: Any) -> np.ndarray:
    shape = [d.dim_value or 1 for d in value.type.tensor_type.shape.dim]
    dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    if value.type.tensor_type.elem_type == TensorProto.FLOAT:
        return (2 * rng.normal(size=shape)).astype(dtype)
    return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max + 1, shape).astype(dtype)


def run_onnxruntime(model: Any, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Outputs of the graph as it stands."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return [np.asarray(value) for value in session.run(None, feed)]


def disagreements(
    made: Mapping[str, Any], folder: Path, *, fold_edges: bool = True, steps: int = 0
) -> list[str]:
    """A line for each output of C or of the reference that is not onnxruntime's.

    steps: by how many steps of its quantization an output may differ.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = [
            tvm_tiny.build(from_onnx(model), name=name, fold_edges=fold_edges)
            for name, model in made.items()
        ]
    library = build_library(compiled, folder)
    found = []
    for name, model in made.items():
        reference = ONNXReference(model.SerializeToString())
        for feed in feeds(model):
            wanted = run_onnxruntime(model, feed)
            expected = reference.run(feed)
            ports = library[name].program.interface.outputs
            by_reference = [expected[port.name] for port in ports]
            for who, actual in (("C", library[name].infer(feed)), ("reference", by_reference)):
                found += [
                    f"{name}: output '{port.name}' by {who} differs"
                    for port, a, b in zip(ports, actual, wanted, strict=True)
                    if not _agrees(port, a, b, steps)
                ]
    return found


def _agrees(port: Port, actual: np.ndarray, wanted: np.ndarray, steps: int) -> bool:
    if actual.dtype != wanted.dtype or actual.shape != wanted.shape:
        return False
    step = port.scale if port.scale is not None and wanted.dtype.kind == "f" else 1
    gap = np.abs(actual.astype(float) - wanted.astype(float)).max(initial=0)
    return bool(gap <= (steps + 0.01) * step) if steps else np.array_equal(actual, wanted)
