"""docs/one-convolution.md: one convolution from its file to C, step by step."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnx.printer
from onnx import TensorProto, helper, numpy_helper
from tvm.ir import IRModule

import tvm_tiny
from tvm_tiny import transform
from tvm_tiny.lowering.graph import read_graph
from tvm_tiny.lowering.memory_plan import ATTRIBUTE, MemoryPlan

from . import listing
from .template import TEMPLATES

_FILTERS, _CHANNELS, _SIZE = 4, 3, 6


def model() -> onnx.ModelProto:
    """A padded 3x3 convolution and a Relu in ONNX's QDQ form, with float edges."""
    rng = np.random.default_rng(0)
    weights = rng.integers(-127, 128, (_FILTERS, _CHANNELS, 3, 3)).astype(np.int8)
    bias = rng.integers(-500, 500, _FILTERS).astype(np.int32)
    weight_scales = np.float32([0.01, 0.02, 0.015, 0.01])
    constants = {
        "x_scale": np.float32(0.02),
        "x_zero": np.int8(-3),
        "w": weights,
        "w_scale": weight_scales,
        "w_zero": np.zeros(_FILTERS, np.int8),
        "b": bias,
        "b_scale": weight_scales * np.float32(0.02),
        "b_zero": np.zeros(_FILTERS, np.int32),
        "y_scale": np.float32(0.05),
        "y_zero": np.int8(-128),
    }
    node = helper.make_node
    nodes = [
        node("QuantizeLinear", ["x", "x_scale", "x_zero"], ["x_q"]),
        node("DequantizeLinear", ["x_q", "x_scale", "x_zero"], ["x_dq"]),
        node("DequantizeLinear", ["w", "w_scale", "w_zero"], ["w_dq"], axis=0),
        node("DequantizeLinear", ["b", "b_scale", "b_zero"], ["b_dq"], axis=0),
        node("Conv", ["x_dq", "w_dq", "b_dq"], ["conv"], pads=[1, 1, 1, 1]),
        node("Relu", ["conv"], ["relu"]),
        node("QuantizeLinear", ["relu", "y_scale", "y_zero"], ["y_q"]),
        node("DequantizeLinear", ["y_q", "y_scale", "y_zero"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "one_convolution",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, _CHANNELS, _SIZE, _SIZE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, _FILTERS, _SIZE, _SIZE])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])


def page() -> str:
    """The text of docs/one-convolution.md."""
    template = TEMPLATES.get_template("one-convolution.md.j2")
    return template.render(_steps())


def _steps() -> dict[str, object]:
    """Values for the template: the IR after each step."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one_convolution.onnx"
        onnx.save(model(), path)
        qdq = tvm_tiny.from_file(path)
    nhwc = transform.ConvertLayout()(qdq)
    folded = transform.FoldEdges()(nhwc)
    integers = transform.FuseOperators()(transform.LowerQDQ()(folded))
    rows = transform.LowerToRowKernels()(integers)
    planned = transform.PlanMemory()(transform.HoistScratch()(rows))
    packed = transform.SelectKernels("dsp")(integers)
    compiled = tvm_tiny.build(qdq, "cortex-m4")
    sources = {name.rpartition("/")[2]: data for name, data in compiled.files.items()}
    return {
        "nodes": _nodes(),
        "qdq": listing.function(qdq, "main"),
        "nhwc": listing.function(nhwc, "main"),
        "folded": listing.function(folded, "main"),
        "interface": listing.attribute(folded, "tvm_tiny.interface"),
        "integers": listing.function(integers, "main"),
        "row_kernel": listing.function(rows, "qconv2d_row"),
        "stage": listing.function(rows, "qconv2d"),
        "rows": listing.function(rows, "main"),
        "plan": _plan(planned),
        "packed": listing.function(packed, "main"),
        "kernels": _c(sources, "tvmgen_default_kernels.c", "tvmgen_default_qconv2d_row"),
        "driver": _c(sources, "tvmgen_default.c", "tvmgen_default_run"),
        "arena": compiled.workspace_bytes,
    }


def _nodes() -> str:
    """The model's nodes as ONNX prints them, without its constants."""
    text = onnx.printer.to_text(model())
    return text[text.index("{\n", text.index("y_zero")) :].strip()


def _c(sources: dict[str, bytes], name: str, function: str) -> str:
    return listing.c_function(sources[name].decode(), function)


def _plan(planned: IRModule) -> dict[str, int]:
    """Bytes and offsets of the input and the output, and the arena."""
    graph = read_graph(planned)
    plan = MemoryPlan.from_json(str(planned["main"].attrs[ATTRIBUTE]))
    (x,), (y,) = graph.inputs, graph.outputs
    ends = {name: plan.offsets[k] for name, k in (("x", x), ("y", y))}
    sizes = {f"{name}_bytes": graph.storage[k].bytes for name, k in (("x", x), ("y", y))}
    return {**ends, **sizes, "arena": plan.workspace_bytes}
