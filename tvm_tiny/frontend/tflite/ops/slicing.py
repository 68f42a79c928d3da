"""Operators that pick a box of a tensor: splits, slices, UNPACK, GATHER, REVERSE_V2.

Each result is an island of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from tvm import relax

from tvm_tiny.errors import ModelError

from ..graph import Graph, axis_of, unsupported
from ..model import Operator, Tensor
from ..validate import label


def _box(
    graph: Graph,
    operator: Operator,
    data: Tensor,
    begin: Sequence[int],
    end: Sequence[int],
    strides: Sequence[int],
    shape: Sequence[int],
    position: int = 0,
) -> None:
    """Slice all axes in one island; axes of size 1 that `shape` lacks are dropped."""
    axes = list(range(len(data.shape)))
    sliced = relax.op.strided_slice(
        graph.copied(operator, data, position), axes, list(begin), list(end), list(strides)
    )
    box = [max(0, -(-(e - b) // s)) for b, e, s in zip(begin, end, strides, strict=True)]
    graph.expect_shape(operator, shape, position)
    if list(shape) != box:
        sliced = relax.op.reshape(graph.emit(sliced), tuple(shape))
    graph.store(operator, sliced, position)


def _along(
    graph: Graph,
    operator: Operator,
    data: Tensor,
    axis: int,
    sizes: Sequence[int],
    drop: bool = False,
) -> None:
    """Cut `data` along one axis into parts of these sizes, one for each result."""
    if len(operator.outputs) != len(sizes):
        raise ModelError(
            f"{label(operator)}: {len(operator.outputs)} outputs; expected {len(sizes)}"
        )
    if min(sizes, default=0) < 1 or sum(sizes) != data.shape[axis]:
        raise ModelError(
            f"{label(operator)}: axis {axis} of {data.shape} cannot be cut into {tuple(sizes)}"
        )
    start = 0
    for position, size in enumerate(sizes):
        begin, end = [0] * len(data.shape), list(data.shape)
        begin[axis], end[axis] = start, start + size
        start += size
        middle = () if drop else (size,)
        shape = (*data.shape[:axis], *middle, *data.shape[axis + 1 :])
        _box(graph, operator, data, begin, end, [1] * len(begin), shape, position)


def convert_split(graph: Graph, operator: Operator) -> None:
    """SPLIT into `num_splits` equal parts; operands are the axis (constant) and the data."""
    data = graph.operand(operator, 1)
    axis = _single_axis(graph, operator, 0, data)
    count = operator.integer("num_splits")
    if count < 1 or data.shape[axis] % count:
        raise ModelError(
            f"{label(operator)}: axis {axis} of {data.shape} cannot be cut into {count} equal parts"
        )
    _along(graph, operator, data, axis, [data.shape[axis] // count] * min(count, 1 << 16))


def convert_split_v(graph: Graph, operator: Operator) -> None:
    """SPLIT_V: operands are the data, sizes (constant) and axis (constant).

    One size may be -1, which means the rest.
    """
    data = graph.operand(operator, 0)
    axis = _single_axis(graph, operator, 2, data)
    sizes = list(graph.integers(operator, 1))
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = data.shape[axis] - sum(sizes) - 1
    _along(graph, operator, data, axis, sizes)


def convert_unpack(graph: Graph, operator: Operator) -> None:
    """UNPACK gives one result for each slice along an axis, which disappears."""
    data = graph.operand(operator, 0)
    axis = axis_of(operator, operator.integer("axis"), len(data.shape))
    if operator.integer("num") != data.shape[axis]:
        raise ModelError(
            f"{label(operator)}: {operator.integer('num')} slices; axis {axis} has "
            f"{data.shape[axis]}"
        )
    _along(graph, operator, data, axis, [1] * data.shape[axis], drop=True)


def _single_axis(graph: Graph, operator: Operator, position: int, data: Tensor) -> int:
    axes = graph.integers(operator, position)
    if len(axes) != 1:
        raise ModelError(f"{label(operator)}: {len(axes)} axes; expected one")
    return axis_of(operator, axes[0], len(data.shape))


def convert_slice(graph: Graph, operator: Operator) -> None:
    """SLICE: operands are the data, begin and size (constants); size -1 means to the end."""
    data = graph.operand(operator, 0)
    begin, sizes = graph.integers(operator, 1), graph.integers(operator, 2)
    if not len(begin) == len(sizes) == len(data.shape):
        raise ModelError(
            f"{label(operator)}: begin {begin} and size {sizes} for an input of {data.shape}"
        )
    sizes = tuple(n - b if s == -1 else s for n, b, s in zip(data.shape, begin, sizes, strict=True))
    end = [b + s for b, s in zip(begin, sizes, strict=True)]
    if any(
        b < 0 or s < 1 or e > n for b, s, e, n in zip(begin, sizes, end, data.shape, strict=True)
    ):
        raise ModelError(
            f"{label(operator)}: begin {begin} and size {sizes} leave the input's {data.shape}"
        )
    _box(graph, operator, data, begin, end, [1] * len(end), sizes)


def convert_strided_slice(graph: Graph, operator: Operator) -> None:
    """STRIDED_SLICE: operands are the data, begin, end and strides (constants).

    Negative bounds count from the end, as in NumPy.
    """
    data, shrink = graph.operand(operator, 0), operator.integer("shrink_axis_mask")
    begin, end, strides = (list(graph.integers(operator, i)) for i in (1, 2, 3))
    if not len(begin) == len(end) == len(strides) or 0 in strides:
        raise ModelError(
            f"{label(operator)}: begin {begin}, end {end}, strides {strides} for an input of "
            f"shape {data.shape}"
        )
    shape: list[int] = []
    box: list[tuple[int, int, int]] = []
    for position in positions(operator, len(begin), len(data.shape)):
        if position == NEW_AXIS:
            shape.append(1)
            continue
        axis, size = len(box), data.shape[len(box)]
        if position == WHOLE_AXIS:
            box.append((0, size, 1))
        else:
            ends = begin[position], end[position], strides[position]
            box.append(bounds(operator, position, size, *ends))
        count = len(range(*box[-1]))
        if count < 1:
            raise ModelError(f"{label(operator)}: empty slice of axis {axis} of {data.shape}")
        if position == WHOLE_AXIS or not shrink >> position & 1:
            shape.append(count)
    begin, end, strides = (list(column) for column in zip(*box, strict=True))
    _strided(graph, operator, data, begin, end, strides, shape)


# Markers for an axis of the data without bounds, and for an axis that the result has in addition.
WHOLE_AXIS, NEW_AXIS = -1, -2


def positions(operator: Operator, count: int, rank: int) -> list[int]:
    """For each axis, its position in begin, end and strides, or a marker.

    The order is that of the axes, with new ones among them. An ellipsis stands for all axes that
    `count` bounds leave over; without an ellipsis these axes come last.
    """
    new_axes, ellipsis = operator.integer("new_axis_mask"), operator.integer("ellipsis_mask")
    found = [NEW_AXIS if new_axes >> k & 1 and not ellipsis >> k & 1 else k for k in range(count)]
    ellipses = [k for k in found if k >= 0 and ellipsis >> k & 1]
    given = sum(position >= 0 for position in found) - len(ellipses)
    if given > rank or len(ellipses) > 1:
        raise ModelError(
            f"{label(operator)}: bounds of {given} axes and {len(ellipses)} ellipses for an "
            f"input of rank {rank}"
        )
    at = found.index(ellipses[0]) if ellipses else count
    return [*found[:at], *[WHOLE_AXIS] * (rank - given), *found[at + len(ellipses) :]]


def _strided(
    graph: Graph,
    operator: Operator,
    data: Tensor,
    begin: list[int],
    end: list[int],
    strides: list[int],
    shape: list[int],
) -> None:
    """Slice with strides that may be negative.

    Relax counts a negative end from the back; "before the first element" is therefore -size - 1.
    """
    if all(stride > 0 for stride in strides):
        _box(graph, operator, data, begin, end, strides, shape)
        return
    graph.expect_shape(operator, shape)
    ends = [e if e >= 0 else -n - 1 for e, n in zip(end, data.shape, strict=True)]
    sliced = relax.op.strided_slice(
        graph.copied(operator, data), list(range(len(begin))), begin, ends, strides
    )
    if len(shape) != len(begin):
        sliced = relax.op.reshape(graph.emit(sliced), tuple(shape))
    graph.store(operator, sliced)


def bounds(
    operator: Operator, position: int, size: int, begin: int, end: int, stride: int
) -> tuple[int, int, int]:
    """(begin, end, stride) of an axis, limited to its size.

    position: the axis's position in begin and end, and its bit in the masks. The end may be -1 if
    the stride is negative.
    """
    bit = 1 << position
    first = begin + size if begin < 0 else begin
    if operator.integer("shrink_axis_mask") & bit:
        if not 0 <= first < size:
            raise ModelError(f"{label(operator)}: index {begin} of an axis that has {size}")
        return first, first + 1, 1
    masked = bool(operator.integer("begin_mask") & bit)
    if operator.flag("offset"):
        end += 0 if masked else first
    window = slice(
        None if masked else begin,
        None if operator.integer("end_mask") & bit else end,
        stride,
    )
    return window.indices(size)


def convert_gather(graph: Graph, operator: Operator) -> None:
    """GATHER takes slices of the data along one axis, at constant or computed indices."""
    data, indices = graph.operand(operator, 0), graph.operand(operator, 1)
    axis = axis_of(operator, operator.integer("axis"), len(data.shape))
    if operator.integer("batch_dims"):
        raise unsupported(operator, graph.output(operator), "batch dimensions")
    if indices.dtype not in {"int32", "int64"}:
        raise unsupported(operator, indices, f"indices of {indices.dtype}; expected int32")
    graph.expect_shape(operator, (*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :]))
    where = graph.plain(operator, indices)
    graph.store(operator, relax.op.take(graph.copied(operator, data), where, axis, "clip"))


def convert_reverse(graph: Graph, operator: Operator) -> None:
    """REVERSE_V2 reverses the order of elements along constant axes."""
    data = graph.operand(operator, 0)
    reversed_axes = graph.axes(operator, 1, len(data.shape))
    begin, end, strides = [0] * len(data.shape), list(data.shape), [1] * len(data.shape)
    for axis in reversed_axes:
        begin[axis], end[axis], strides[axis] = data.shape[axis] - 1, -1, -1
    _strided(graph, operator, data, begin, end, strides, list(data.shape))


CONVERTERS = {
    "SPLIT": convert_split,
    "SPLIT_V": convert_split_v,
    "UNPACK": convert_unpack,
    "SLICE": convert_slice,
    "STRIDED_SLICE": convert_strided_slice,
    "REVERSE_V2": convert_reverse,
    "GATHER": convert_gather,
}
