"""Small QDQ models, built node by node, and onnxruntime as their reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import tvm
from onnx import TensorProto, helper, numpy_helper
from tvm import relax

# Tests compile many small modules and run each once.
TARGET = tvm.target.Target({"kind": "llvm", "opt-level": 0})


class Builder:
    """Collects nodes and constants; every method returns the name of a tensor."""

    def __init__(self, shape: tuple[int, ...], dtype: str = "int8", seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = dtype
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]

    def const(self, value: Any, dtype: str = "float32", name: str = "") -> str:
        name = name or f"k{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(self, op: str, inputs: list[str], output: str = "", **attrs: Any) -> str:
        output = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], **attrs))
        return output

    def quantize(self, x: str, scale: float = 0.05, zero: int = 3, output: str = "") -> str:
        """QuantizeLinear, then DequantizeLinear; `zero` counts in int8."""
        zero += 128 if self.dtype == "uint8" else 0
        parameters = [self.const(scale), self.const(zero, self.dtype)]
        q = self.node("QuantizeLinear", [x, *parameters], output)
        return self.node("DequantizeLinear", [q, *parameters])

    def weights(self, shape: tuple[int, ...], axis: int = 0) -> str:
        """A dequantized random kernel with one scale for each index along `axis`."""
        values = self.rng.integers(-127, 128, shape)
        scale = self.rng.uniform(0.001, 0.01, shape[axis])
        inputs = [
            self.const(values, "int8"),
            self.const(scale),
            self.const(np.zeros(shape[axis]), "int8"),
        ]
        return self.node("DequantizeLinear", inputs, axis=axis)

    def model(self, *outputs: str, opset: int = 13, shape: tuple[int, ...] | None = None) -> Any:
        """The model; `shape` is that of (float) outputs which ONNX cannot infer."""
        infos = [helper.make_empty_tensor_value_info(name) for name in outputs]
        graph = helper.make_graph(self.nodes, "test", self.inputs, infos, self.constants)
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        inferred = onnx.shape_inference.infer_shapes(model)
        for info, full in zip(model.graph.output, inferred.graph.output, strict=True):
            info.CopyFrom(full)
            if not info.type.tensor_type.HasField("shape"):
                info.CopyFrom(helper.make_tensor_value_info(info.name, TensorProto.FLOAT, shape))
        return model


def run_onnxruntime(model: Any, x: np.ndarray) -> list[np.ndarray]:
    """Outputs of the unoptimized graph: what the nodes say, node by node."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return [np.asarray(value) for value in session.run(None, {"x": x})]


def run_relax(module: tvm.IRModule, *inputs: np.ndarray) -> list[np.ndarray]:
    """Outputs on TVM's virtual machine."""
    machine = relax.VirtualMachine(tvm.compile(module, TARGET), tvm.cpu())
    result = machine["main"](*[tvm.runtime.tensor(x) for x in inputs])
    results = list(result) if isinstance(result, (list, tuple, tvm.ir.Array)) else [result]
    return [item.numpy() for item in results]


def calls(module: tvm.IRModule, name: str) -> list[Any]:
    """All calls of operator `relax.NAME` in main, in order."""
    return [
        binding.value
        for block in module["main"].body.blocks
        for binding in block.bindings
        if isinstance(binding.value, relax.Call) and binding.value.op.name == f"relax.{name}"
    ]


def names(module: tvm.IRModule, name: str) -> list[str]:
    """Names of the variables bound to operator `relax.NAME`."""
    return [
        binding.var.name
        for block in module["main"].body.blocks
        for binding in block.bindings
        if isinstance(binding.value, relax.Call) and binding.value.op.name == f"relax.{name}"
    ]
