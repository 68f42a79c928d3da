"""Runs a model in float and quantized, in onnxruntime, and compares tensor by tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper

from ...quality import Accuracy, LayerError, sqnr_db
from ..graph import Array
from .groups import is_elementwise, operators, sole_readers

# Suffix that onnxruntime.quantization appends to the tensor before a model output's QuantizeLinear.
BEFORE_OUTPUT = "_QuantizeLinear_Input"
# Further samples hardly change the ratios.
MEASURED_SAMPLES = 64


def layer_errors(
    original: Any, quantized: Any, feeds: Sequence[dict[str, Array]]
) -> tuple[LayerError, ...]:
    """The error of each layer's result in `quantized`, against `original` in float."""
    pairs = _pairs(original.graph, quantized.graph)
    if not pairs:
        return ()
    runs = [
        (session(model, names), names)
        for model, names in ((original, [*pairs]), (quantized, [*pairs.values()]))
    ]
    signal, noise = np.zeros(len(pairs)), np.zeros(len(pairs))
    for feed in feeds[:MEASURED_SAMPLES]:
        outputs = [running.run(names, feed) for running, names in runs]
        for index, (real, found) in enumerate(zip(*outputs, strict=True)):
            signal[index] += np.square(real, dtype=np.float64).sum()
            noise[index] += np.square(real.astype(np.float64) - found).sum()
    makers = {name: node for node in original.graph.node for name in node.output}
    return tuple(
        LayerError(name, operators(original, makers.get(name)), sqnr_db(*sums))
        for name, *sums in zip(pairs, signal.tolist(), noise.tolist(), strict=True)
    )


def output_error(original: Any, quantized: Any, feeds: Sequence[dict[str, Array]]) -> float:
    """The squared error of all outputs, each divided by the output's squared values, summed."""
    names = [value.name for value in original.graph.output]
    real, found = (session(model, names) for model in (original, quantized))
    signal, noise = np.zeros(len(names)), np.zeros(len(names))
    for feed in feeds:
        pairs = zip(real.run(names, feed), found.run(names, feed), strict=True)
        for index, (a, b) in enumerate(pairs):
            signal[index] += np.square(a, dtype=np.float64).sum()
            noise[index] += np.square(a.astype(np.float64) - b).sum()
    return float(np.sum(noise / np.maximum(signal, np.finfo(np.float64).tiny)))


def accuracy(
    original: Any, quantized: Any, feeds: Sequence[dict[str, Array]], labels: Array
) -> Accuracy:
    """The share of samples for which the first output's largest value is the labelled one."""
    shares = []
    for model in (original, quantized):
        name = model.graph.output[0].name
        running = session(model, [name])
        found = [int(np.argmax(running.run([name], feed)[0])) for feed in feeds]
        shares.append(float(np.mean(np.array(found) == labels)))
    return Accuracy(*shares)


def _pairs(original: Any, quantized: Any) -> dict[str, str]:
    """Float tensors of `original`, in order, and the dequantized ones of `quantized`.

    Tensors that only an elementwise operator reads are left out: their scale is chosen for its
    result.
    """
    readers = sole_readers(original)
    known = [value.name for value in original.input]
    for node in original.node:
        known += [x for x in node.output if x not in readers or not is_elementwise(readers[x])]
    dequantized = {
        n.input[0]: n.output[0] for n in quantized.node if n.op_type == "DequantizeLinear"
    }
    found = {
        node.input[0].removesuffix(BEFORE_OUTPUT): dequantized[node.output[0]]
        for node in quantized.node
        if node.op_type == "QuantizeLinear" and node.output[0] in dequantized
    }
    return {name: found[name] for name in known if name in found}


def session(model: Any, names: Sequence[str]) -> Any:
    """A session that also returns the tensors `names` and runs node by node, unoptimized."""
    import onnxruntime

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    have = {value.name for value in copy.graph.output}
    copy.graph.output.extend(
        helper.make_empty_tensor_value_info(name) for name in names if name not in have
    )
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(copy.SerializeToString(), options)
