"""Quantizes a float model with onnxruntime's static quantization.

The float model is simplified before, so that quantization stands only where a step ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from tvm_tiny.errors import ToolchainError

from ..convert import TABLE
from ..graph import Array
from .affine import channels_to_convolutions
from .biases import flatten_biases
from .correct import name_layers
from .groups import hide_groups, show_groups
from .ranges import least_error_scales
from .scales import Scale

# Per-channel DequantizeLinear came with opset 13.
CALIBRATION_OPSET = 13
# onnx writes newer versions than the oldest supported onnxruntime reads; nothing here needs them.
CALIBRATION_IR_VERSION = 10
# Operators of the frontend that quantize themselves, or compute nothing.
NOT_QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "Identity", "Dropout")
# onnxruntime's name of each method; the scales of "mse" override those that this method finds.
METHODS = {"minmax": "MinMax", "mse": "MinMax", "percentile": "Percentile", "entropy": "Entropy"}
# Operators whose range does not depend on the samples.
CANONICAL = {
    "Softmax": Scale(1 / 256, -128),
    "Sigmoid": Scale(1 / 256, -128),
    "Tanh": Scale(1 / 128, 0),
}


def prepared(proto: Any, folder: Path) -> Any:
    """The float model, simplified so that each later step is one node."""
    given, simple = folder / "float.onnx", folder / "prepared.onnx"
    # A file, since onnxruntime loses the integer constants of a model in memory.
    onnx.save(_upgraded(proto), str(given))
    library().shape_inference.quant_pre_process(str(given), str(simple), skip_symbolic_shape=True)
    model = onnx.load(str(simple))
    flatten_biases(model)
    channels_to_convolutions(model)
    name_layers(model)
    hide_groups(model)
    return model


def quantized(model: Any, feeds: Sequence[dict[str, Array]], method: str, folder: Path) -> Any:
    """The QDQ model of a model that `prepared` returned; `method` chooses the ranges."""
    source, result = folder / "hidden.onnx", folder / "quantized.onnx"
    onnx.save(model, str(source))
    present = {node.op_type for node in model.graph.node}
    functions = {function.name for function in model.functions}
    scales = _canonical(model.graph)
    if method == "mse":
        scales = least_error_scales(model, feeds, scales)
    onnxruntime = library()
    onnxruntime.quantize_static(
        str(source),
        str(result),
        _reader(feeds),
        quant_format=onnxruntime.QuantFormat.QDQ,
        op_types_to_quantize=sorted(present & {*TABLE, *functions} - set(NOT_QUANTIZED)),
        per_channel=True,
        activation_type=onnxruntime.QuantType.QInt8,
        weight_type=onnxruntime.QuantType.QInt8,
        calibrate_method=onnxruntime.CalibrationMethod[METHODS[method]],
        extra_options={
            "ActivationSymmetric": False,
            "WeightSymmetric": True,
            "ForceQuantizeNoInputCheck": True,
            "TensorQuantOverrides": {name: _override(scale) for name, scale in scales.items()},
        },
    )
    return show_groups(onnx.load(str(result)))


def _canonical(graph: Any) -> Mapping[str, Scale]:
    return {n.output[0]: CANONICAL[n.op_type] for n in graph.node if n.op_type in CANONICAL}


def _override(scale: Scale) -> list[dict[str, Any]]:
    """The quantization of one tensor in onnxruntime's form."""
    return [
        {
            "quant_type": library().QuantType.QInt8,
            "scale": np.array(scale.scale, np.float32),
            "zero_point": np.array(scale.zero_point, np.int8),
        }
    ]


def _reader(feeds: Sequence[dict[str, Array]]) -> Any:
    class Reader(library().CalibrationDataReader):  # type: ignore[misc]
        """Passes the samples to onnxruntime one by one."""

        def __init__(self) -> None:
            self._feeds = iter(feeds)

        def get_next(self) -> dict[str, Array] | None:
            return next(self._feeds, None)

    return Reader()


def library() -> Any:
    """The module `onnxruntime.quantization`; ToolchainError where it is not installed."""
    try:
        import onnxruntime
        from onnxruntime import quantization
        from onnxruntime.quantization import shape_inference  # noqa: F401 - makes it an attribute
    except ImportError:
        raise ToolchainError(
            "quantizing a float model needs onnxruntime; install it: "
            "pip install tvm-tiny[calibrate]"
        ) from None
    onnxruntime.set_default_logger_severity(3)  # errors only
    return quantization


def _upgraded(proto: Any) -> Any:
    """A copy of `proto` with an opset and IR version that onnxruntime can quantize."""
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    if versions.get("", versions.get("ai.onnx", 0)) < CALIBRATION_OPSET:
        copy = onnx.version_converter.convert_version(copy, CALIBRATION_OPSET)
    copy.ir_version = min(copy.ir_version, CALIBRATION_IR_VERSION)
    return copy
