"""PAD and PADV2: constant padding; PAD fills with the real value 0."""

from __future__ import annotations

import numpy as np
from tvm import relax

from tvm_tiny.errors import ModelError
from tvm_tiny.frontend.tflite.graph import Graph, unsupported
from tvm_tiny.frontend.tflite.model import Operator
from tvm_tiny.frontend.tflite.validate import label


def convert_pad(graph: Graph, operator: Operator) -> None:
    """Paddings [rank, 2]: how much before and after in each dimension."""
    data = graph.operand(operator, 0)
    amounts = graph.integers(operator, 1)
    if len(amounts) != 2 * len(data.shape) or min(amounts, default=0) < 0:
        raise ModelError(
            f"{label(operator)}: paddings {amounts} for an input of shape {data.shape}; "
            "expected two for each dimension, none negative"
        )
    before, after = amounts[::2], amounts[1::2]
    graph.expect_shape(
        operator, [b + n + a for b, n, a in zip(before, data.shape, after, strict=True)]
    )
    value = _fill(graph, operator) if operator.kind == "PADV2" else 0.0
    graph.store(
        operator,
        relax.op.nn.pad(
            graph.copied(operator, data), list(amounts), pad_mode="constant", pad_value=value
        ),
    )


def _fill(graph: Graph, operator: Operator) -> float:
    """PADV2's third operand: one element, as a real number."""
    tensor = graph.operand(operator, 2)
    values = graph.constant(operator, tensor)
    if values.size != 1:
        raise ModelError(
            f"{label(operator)}: fill value '{tensor.name}' of shape {tensor.shape}; expected one"
        )
    value = values.reshape(())
    if tensor.dtype == "float32":
        return float(value)
    if tensor.dtype != "int8" or tensor.quantization is None:
        raise unsupported(operator, tensor, "fill value without scale and zero point")
    graph.expect_result_quantization(operator, tensor)
    scale = tensor.quantization.scales[0]
    return float(np.float32(int(value) - int(tensor.quantization.zero_points[0])) * scale)


CONVERTERS = {"PAD": convert_pad, "PADV2": convert_pad}
