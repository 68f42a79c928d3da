"""ONNX models to Relax in QDQ form.

A model holds QDQ or QLinear operators, or is in float and comes with calibration data. The steps:
`load` reads and checks, `calibrate` quantizes a float model, `prepare` rewrites the graph until
everything has one spelling, `convert` emits Relax.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tvm

from tvm_tiny.errors import ModelError, UnsupportedError

from ..calibration import Calibration
from ..quality import ATTRIBUTE, Quality
from .convert import convert
from .graph import Array, Graph, Refused
from .load import first_line, read_model, to_graph
from .prepare import prepare

__all__ = ["from_onnx", "to_quantized"]

# Operators that onnxruntime's quantize_dynamic writes, and those its optimizer fuses them to.
DYNAMIC = (
    *("DynamicQuantizeLinear", "MatMulInteger", "ConvInteger"),
    *("DynamicQuantizeMatMul", "MatMulIntegerToFloat", "DynamicQuantizeLSTM"),
)


def from_onnx(
    model: Path | str | bytes | Any,
    calibrate: Calibration | Path | Mapping[str, Array] | None = None,
) -> tvm.IRModule:
    """Import a quantized ONNX model (QDQ or QLinear operators), or quantize a float one.

    Args:
        model: path, content, or `onnx.ModelProto` (never changed).
        calibrate: for a float model, how to quantize it; samples alone stand for
            `Calibration(samples)`.

    Returns:
        A module with function "main" in QDQ form, layouts NCHW and OIHW as in ONNX.

    Raises:
        ModelError: not a valid ONNX model.
        UnsupportedError: valid, but it cannot be compiled; lists every operator with its reason.
        DataError: the calibration samples do not fit the model.
        ToolchainError: calibration needs onnxruntime, which is not installed.

    """
    proto, quality = to_quantized(model, calibrate)
    graph = to_graph(proto)
    try:
        prepare(graph)
    except Refused as refusal:
        raise UnsupportedError(str(refusal)) from None
    except (ValueError, IndexError, KeyError, TypeError) as error:
        # Contradictions between shapes and attributes that ONNX's checker does not find.
        raise ModelError(f"the ONNX model contradicts itself: {first_line(error)}") from error
    module = convert(graph)
    if quality is not None:
        module["main"] = module["main"].with_attr(ATTRIBUTE, quality.to_json())
    return module


def to_quantized(
    model: Path | str | bytes | Any,
    calibrate: Calibration | Path | Mapping[str, Array] | None = None,
) -> tuple[Any, Quality | None]:
    """The model as `onnx.ModelProto`, quantized if it was in float, and the quantization's quality.

    The quality is None for a model that was not quantized here. Arguments and errors are those of
    `from_onnx`.
    """
    proto = read_model(model)
    graph = to_graph(proto)
    _refuse_dynamic_quantization(graph)
    if _is_quantized(graph) or not _is_in_float(graph):
        return proto, None
    if calibrate is None:
        raise UnsupportedError(
            "the model is in float; quantize it first, or give samples of its input: "
            "--calibrate samples.npz"
        )
    from .calibrate import quantize_float_model

    if not isinstance(calibrate, Calibration):
        calibrate = Calibration(calibrate)
    return quantize_float_model(proto, graph, calibrate)


def _refuse_dynamic_quantization(graph: Graph) -> None:
    """Refuse dynamic quantization: integer code needs scales that are known at compile time."""
    found = [node.where for node in graph.nodes if node.op in DYNAMIC]
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise UnsupportedError(
            f"the model is quantized dynamically: {found[0]}{more} works with scales that are "
            "found at run time; give the float model that it was made from and samples of its "
            "input: --calibrate samples.npz"
        )


def _is_quantized(graph: Graph) -> bool:
    """Whether any operator quantizes: QDQ, QLinear*, or QGemm."""
    return any(
        node.op.startswith("QLinear") or node.op in ("QuantizeLinear", "DequantizeLinear", "QGemm")
        for node in graph.nodes
    )


def _is_in_float(graph: Graph) -> bool:
    """Whether any tensor holds floats; operators on plain integers need no quantization."""
    types = [known.dtype for known in graph.types.values()]
    types += [str(value.dtype) for value in graph.constants.values()]
    return any("float" in dtype for dtype in types)
