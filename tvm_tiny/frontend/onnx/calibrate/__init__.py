"""Post-training quantization of a float ONNX model with onnxruntime (an optional dependency).

Int8 activations, int8 symmetric weights with one scale a channel: the same samples give the same
model. The model is simplified before, so that quantization stands only where a step ends, and
compared with itself in float afterwards.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from tvm_tiny.errors import DataError, ToolchainError, UnsupportedError

from ...calibration import Calibration
from ...quality import Quality
from ...quiet import quiet
from ..convert import TABLE
from ..graph import Array, Graph
from ..load import first_line
from .affine import channels_to_convolutions
from .biases import flatten_biases
from .groups import hide_groups, show_groups
from .measure import accuracy, layer_errors
from .samples import load_samples, split_feeds, split_labels

# Per-channel DequantizeLinear came with opset 13.
CALIBRATION_OPSET = 13
# onnx writes newer versions than the oldest supported onnxruntime reads; nothing here needs them.
CALIBRATION_IR_VERSION = 10
# Of the operators that the frontend knows: what quantizes itself, or computes nothing.
NOT_QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "Identity", "Dropout")
METHODS = {"minmax": "MinMax", "percentile": "Percentile", "entropy": "Entropy"}
# Scale and zero point of operators whose range does not depend on the samples.
CANONICAL = {"Softmax": (1 / 256, -128), "Sigmoid": (1 / 256, -128), "Tanh": (1 / 128, 0)}


def quantize_float_model(proto: Any, graph: Graph, calibration: Calibration) -> tuple[Any, Quality]:
    """A QDQ `onnx.ModelProto` of the float model `proto`, and what quantizing it cost.

    `graph` holds the same model's inputs.

    Raises:
        DataError: the samples do not fit the model's inputs.
        ToolchainError: onnxruntime is not installed.
        UnsupportedError: onnxruntime cannot quantize the model.

    """
    samples, labels = split_labels(graph.inputs, load_samples(graph.inputs, calibration))
    feeds = split_feeds(graph.inputs, samples)
    if labels is not None and len(labels) != len(feeds):
        raise DataError(f"calibration labels: {len(labels)} for {len(feeds)} samples")
    library = _onnxruntime_quantization()
    with tempfile.TemporaryDirectory(prefix="tvm-tiny-") as folder, quiet():
        try:
            prepared = _prepared(library, proto, Path(folder))
            quantized = _quantized(library, prepared, feeds, calibration.method, Path(folder))
            return quantized, Quality(
                calibration.method,
                len(feeds),
                layer_errors(prepared, quantized, feeds),
                None if labels is None else accuracy(prepared, quantized, feeds, labels),
            )
        except Exception as error:
            # onnxruntime raises many types of its own; none of them is a fault of ours to show.
            raise UnsupportedError(
                f"onnxruntime could not quantize the model: {first_line(error)}"
            ) from error


def _prepared(library: Any, proto: Any, folder: Path) -> Any:
    """The float model as onnxruntime simplifies it, with affine operators as convolutions."""
    given, prepared = folder / "float.onnx", folder / "prepared.onnx"
    # A file, since onnxruntime loses the integer constants of a model in memory.
    onnx.save(_upgraded(proto), str(given))
    library.shape_inference.quant_pre_process(str(given), str(prepared), skip_symbolic_shape=True)
    model = onnx.load(str(prepared))
    flatten_biases(model)
    channels_to_convolutions(model)
    return model


def _quantized(
    library: Any, prepared: Any, feeds: Sequence[dict[str, Array]], method: str, folder: Path
) -> Any:
    """The QDQ model of `prepared`, in which what becomes one step is made one function."""
    hidden, result = folder / "hidden.onnx", folder / "quantized.onnx"
    functions = hide_groups(prepared)
    onnx.save(prepared, str(hidden))
    present = {node.op_type for node in prepared.graph.node}
    library.quantize_static(
        str(hidden),
        str(result),
        _reader(library, feeds),
        quant_format=library.QuantFormat.QDQ,
        op_types_to_quantize=sorted(present & {*TABLE, *functions} - set(NOT_QUANTIZED)),
        per_channel=True,
        activation_type=library.QuantType.QInt8,
        weight_type=library.QuantType.QInt8,
        calibrate_method=library.CalibrationMethod[METHODS[method]],
        extra_options={
            "ActivationSymmetric": False,
            "WeightSymmetric": True,
            "ForceQuantizeNoInputCheck": True,
            "TensorQuantOverrides": _overrides(library, prepared.graph),
        },
    )
    return show_groups(onnx.load(str(result)))


def _overrides(library: Any, graph: Any) -> dict[str, list[dict[str, Any]]]:
    """Quantization of the tensors with a canonical one, as onnxruntime takes it."""
    return {
        node.output[0]: [
            {
                "quant_type": library.QuantType.QInt8,
                "scale": np.array(CANONICAL[node.op_type][0], np.float32),
                "zero_point": np.array(CANONICAL[node.op_type][1], np.int8),
            }
        ]
        for node in graph.node
        if node.op_type in CANONICAL
    }


def _reader(library: Any, feeds: Sequence[dict[str, Array]]) -> Any:
    class Reader(library.CalibrationDataReader):
        """Hands the samples to onnxruntime one by one."""

        def __init__(self) -> None:
            self._feeds = iter(feeds)

        def get_next(self) -> dict[str, Array] | None:
            return next(self._feeds, None)

    return Reader()


def _onnxruntime_quantization() -> Any:
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
    """A copy of `proto` of an opset and IR version that onnxruntime can quantize."""
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    if versions.get("", versions.get("ai.onnx", 0)) < CALIBRATION_OPSET:
        copy = onnx.version_converter.convert_version(copy, CALIBRATION_OPSET)
    copy.ir_version = min(copy.ir_version, CALIBRATION_IR_VERSION)
    return copy
