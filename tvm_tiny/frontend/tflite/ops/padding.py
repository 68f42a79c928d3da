"""PAD, PADV2 and MIRROR_PAD.

PAD pads with the real value 0, PADV2 with a constant of the model, MIRROR_PAD with the data itself.
"""

from __future__ import annotations

import numpy as np
from tvm import relax

from tvm_tiny.errors import ModelError

from ..graph import Graph, unsupported
from ..model import Operator
from ..validate import label


def convert_pad(graph: Graph, operator: Operator) -> None:
    """PAD and PADV2 put a constant around the data."""
    data, amounts = graph.operand(operator, 0), _amounts(graph, operator)
    value = _fill(graph, operator) if operator.kind == "PADV2" else 0.0
    graph.store(
        operator,
        relax.op.nn.pad(
            graph.copied(operator, data), list(amounts), pad_mode="constant", pad_value=value
        ),
    )


def convert_mirror_pad(graph: Graph, operator: Operator) -> None:
    """MIRROR_PAD mirrors the data at its borders, one axis after the other.

    REFLECT (mode 0) leaves the border element out, SYMMETRIC (1) repeats it. Each axis is a take
    with a table of indices.
    """
    data, amounts = graph.operand(operator, 0), _amounts(graph, operator)
    mode = operator.integer("mode")
    result = graph.copied(operator, data)
    for axis, (size, *pair) in enumerate(zip(data.shape, amounts[::2], amounts[1::2], strict=True)):
        if mode not in (0, 1) or max(pair) > size - 1 + mode:
            raise ModelError(f"{label(operator)}: mode {mode}, {pair} of an axis of {size}")
        if any(pair):
            table = np.pad(np.arange(size), pair, mode="symmetric" if mode else "reflect")
            taken = relax.op.take(result, relax.const(table.astype(np.int32)), axis, "clip")
            result = graph.emit(taken)
    graph.store(operator, result)


def _amounts(graph: Graph, operator: Operator) -> tuple[int, ...]:
    """Paddings [rank, 2], flattened: before and after in each dimension."""
    data, amounts = graph.operand(operator, 0), graph.integers(operator, 1)
    if len(amounts) != 2 * len(data.shape) or min(amounts, default=0) < 0:
        raise ModelError(
            f"{label(operator)}: paddings {amounts} for an input of shape {data.shape}; "
            "expected two for each dimension, none negative"
        )
    before, after = amounts[::2], amounts[1::2]
    graph.expect_shape(
        operator, [b + n + a for b, n, a in zip(before, data.shape, after, strict=True)]
    )
    return amounts


def _fill(graph: Graph, operator: Operator) -> float:
    """PADV2's third operand, one element, as a real number."""
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


CONVERTERS = {"PAD": convert_pad, "PADV2": convert_pad, "MIRROR_PAD": convert_mirror_pad}
