"""Post-training quantization of a float ONNX model with onnxruntime (an optional dependency).

Int8 activations, int8 symmetric weights with one scale a channel: the same samples give the same
model. Its biases are corrected, and it is compared with the float model afterwards.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tvm_tiny.errors import DataError, UnsupportedError

from ...calibration import Calibration
from ...quality import Quality
from ...quiet import quiet
from ..graph import Array, Graph
from ..load import first_line
from .correct import correct_biases
from .measure import MEASURED_SAMPLES, accuracy, layer_errors
from .samples import load_samples, split_feeds, split_labels
from .static import library, prepared, quantized

# "auto" takes the method with the least error among these, the first one where they are equal.
AUTO = ("minmax", "mse")


def quantize_float_model(proto: Any, graph: Graph, calibration: Calibration) -> tuple[Any, Quality]:
    """A QDQ `onnx.ModelProto` of the float model `proto`, and the quality of its quantization.

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
    library()
    with tempfile.TemporaryDirectory(prefix="tvm-tiny-") as folder, quiet():
        try:
            model = prepared(proto, Path(folder))
            method, result = _best(model, feeds, calibration.method, Path(folder))
            return result, Quality(
                method,
                len(feeds),
                layer_errors(model, result, feeds),
                None if labels is None else accuracy(model, result, feeds, labels),
            )
        except Exception as error:
            # onnxruntime raises many types of exceptions of its own.
            raise UnsupportedError(
                f"onnxruntime could not quantize the model: {first_line(error)}"
            ) from error


def _best(
    model: Any, feeds: Sequence[dict[str, Array]], method: str, folder: Path
) -> tuple[str, Any]:
    """The method with the least error at the outputs, and the model that it quantized."""
    methods = AUTO if method == "auto" else (method,)
    results = []
    for name in methods:
        result = quantized(model, feeds, name, folder)
        results.append((name, *correct_biases(model, result, feeds[:MEASURED_SAMPLES])))
    best, result, _ = min(results, key=lambda item: item[2])
    return best, result


__all__ = ["quantize_float_model"]
