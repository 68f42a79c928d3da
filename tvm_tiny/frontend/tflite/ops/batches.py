"""SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND: blocks of rows and columns as batches, and back.

Most pairs around a convolution have become dilated convolutions before (`dilation.py`). The others
become a pad, a transpose of the blocks between two reshapes, and a slice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tvm import relax

from tvm_tiny.errors import ModelError

from ..graph import Graph
from ..model import Operator, Tensor
from ..validate import label


def _operands(graph: Graph, operator: Operator) -> tuple[list[int], list[tuple[int, int]]]:
    """Block sizes, and paddings or crops of each blocked axis."""
    blocks, widths = graph.integers(operator, 1), graph.integers(operator, 2)
    rank = len(graph.operand(operator, 0).shape)
    if not 1 <= len(blocks) < rank or len(widths) != 2 * len(blocks) or min(*blocks, 1) < 1:
        raise ModelError(f"{label(operator)}: blocks {blocks}, {widths} of a tensor of rank {rank}")
    if min(widths) < 0:
        raise ModelError(f"{label(operator)}: paddings or crops {widths}; expected none negative")
    return list(blocks), list(zip(widths[::2], widths[1::2], strict=True))


def convert_space_to_batch(graph: Graph, operator: Operator) -> None:
    """SPACE_TO_BATCH_ND: [N, H * b, ...] after padding -> [b * N, H, ...].

    Row h * b + k goes to row h of batch k.
    """
    data = graph.operand(operator, 0)
    blocks, widths = _operands(graph, operator)
    count = len(blocks)
    rest = data.shape[1 + count :]
    sizes = [n + a + b for n, (a, b) in zip(data.shape[1:], widths, strict=False)]
    if any(size % block for size, block in zip(sizes, blocks, strict=True)):
        raise ModelError(f"{label(operator)}: {sizes} in blocks of {blocks}")
    flat = [0, 0, *(side for pair in widths for side in pair), *[0, 0] * len(rest)]
    padded = graph.copied(operator, data)
    if any(flat):
        zero = _integer_zero(graph.output(operator))
        padded = graph.settled(operator, relax.op.nn.pad(padded, flat, pad_value=zero))
    split = [data.shape[0]]
    for size, block in zip(sizes, blocks, strict=True):
        split += [size // block, block]
    order = [*range(2, 1 + 2 * count, 2), 0, *range(1, 1 + 2 * count, 2)]
    turned = _turned(graph, padded, [*split, *rest], order)
    shape = [data.shape[0] * math.prod(blocks), *split[1::2], *rest]
    graph.store(operator, relax.op.reshape(turned, shape))


def _integer_zero(tensor: Tensor) -> float:
    """The real value of the integer 0, with which TFLM pads whatever the zero point."""
    return 0.0 if tensor.quantization is None else tensor.quantization.real(0)


def convert_batch_to_space(graph: Graph, operator: Operator) -> None:
    """BATCH_TO_SPACE_ND: [b * N, H, ...] -> [N, H * b, ...], then cropped.

    Row h of batch k goes to row h * b + k.
    """
    data = graph.operand(operator, 0)
    blocks, widths = _operands(graph, operator)
    count = len(blocks)
    if data.shape[0] % math.prod(blocks):
        raise ModelError(f"{label(operator)}: {data.shape[0]} batches in blocks of {blocks}")
    batch, rest = data.shape[0] // math.prod(blocks), data.shape[1 + count :]
    split = [*blocks, batch, *data.shape[1:]]
    order = [count, *(axis for k in range(count) for axis in (count + 1 + k, k))]
    whole = [batch, *(n * b for n, b in zip(data.shape[1:], blocks, strict=False)), *rest]
    turned = _turned(graph, graph.copied(operator, data), split, order)
    joined = graph.emit(relax.op.reshape(turned, whole))
    begin = [0, *(a for a, _ in widths), *[0] * len(rest)]
    end = [batch, *(n - b for n, (_, b) in zip(whole[1:], widths, strict=False)), *rest]
    if any(a >= b for a, b in zip(begin, end, strict=True)):
        raise ModelError(f"{label(operator)}: nothing is left of {whole} without {widths}")
    graph.store(operator, relax.op.strided_slice(joined, list(range(len(whole))), begin, end))


def _turned(graph: Graph, real: Any, split: Sequence[int], order: Sequence[int]) -> Any:
    """Reshape `real` to `split`, then permute its first axes to `order`."""
    parts = graph.emit(relax.op.reshape(real, split))
    return graph.emit(relax.op.permute_dims(parts, [*order, *range(len(order), len(split))]))


CONVERTERS = {
    "SPACE_TO_BATCH_ND": convert_space_to_batch,
    "BATCH_TO_SPACE_ND": convert_batch_to_space,
}
