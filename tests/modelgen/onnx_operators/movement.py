"""Parts joined, cut, padded and resized."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from .graph import INDICES, Graph, Value
from .rules import LARGE, ints, rule, simple


@rule("Concat")
def concat(graph: Graph, x: Value) -> list[Value]:
    """Parts of one quantization, or, as quantizers also write it, each with its own."""
    axis = graph.draw.integer(1, len(x.shape) - 1)
    parts = [x, x] if graph.draw.chance(0.5) and x.size < LARGE else [x]
    shape = tuple(graph.draw.integer(1, 5) if i == axis else d for i, d in enumerate(x.shape))
    parts.append(graph.constant_value(shape))
    total = sum(part.shape[axis] for part in parts)
    out = graph.quant_near(x.quant.scale) if graph.draw.chance(0.5) else x.quant
    (name,) = graph.node("Concat", [graph.dequantize(part) for part in parts], axis=axis)
    shape = tuple(total if i == axis else d for i, d in enumerate(x.shape))
    return [graph.quantize(name, shape, out)]


@rule("Split")
def split(graph: Graph, x: Value) -> list[Value]:
    axis = graph.draw.integer(1, len(x.shape) - 1)
    first = graph.draw.integer(1, max(x.shape[axis] - 1, 1))
    sizes = [first, x.shape[axis] - first] if x.shape[axis] > 1 else [1]
    names = graph.node(
        "Split", [graph.dequantize(x), ints(graph, "split", sizes)], outputs=len(sizes), axis=axis
    )
    return [
        graph.quantize(name, [size if i == axis else d for i, d in enumerate(x.shape)], x.quant)
        for name, size in zip(names, sizes, strict=True)
    ]


@rule("Slice")
def slice_(graph: Graph, x: Value) -> list[Value]:
    axis = graph.draw.integer(1, len(x.shape) - 1)
    extent = x.shape[axis]
    step = graph.draw.choice((1, 1, 2, 3, -1, -2))
    low, high = sorted((graph.draw.integer(0, extent - 1), graph.draw.integer(0, extent - 1)))
    first, stop = low, graph.draw.choice((high + 1, 2**31 - 1))
    if step < 0:
        # Before the first element is only what is below -extent.
        first, stop = high, graph.draw.choice((low - 1 if low else -extent - 1, -(2**31)))
    count = len(range(extent)[slice(first, stop, step)])
    names = [
        ints(graph, s, [v])
        for s, v in (("starts", first), ("ends", stop), ("axes", axis), ("steps", step))
    ]
    shape = [count if i == axis else d for i, d in enumerate(x.shape)]
    return simple(graph, "Slice", x, x.quant, shape, names)


@rule("Gather")
def gather(graph: Graph, x: Value) -> list[Value]:
    """Any indices of any axis, from either end, constant or given at run time."""
    draw = graph.draw
    axis = draw.integer(0, len(x.shape) - 1)
    wanted = tuple(draw.integer(1, 4) for _ in range(draw.integer(0, 2 if len(x.shape) < 4 else 1)))
    if x.shape[axis] >= INDICES and draw.chance(0.5):
        indices, wanted = f"input.{len(graph.inputs)}", wanted or (1,)
        kind = draw.choice((TensorProto.INT32, TensorProto.INT64))
        graph.inputs.append(helper.make_tensor_value_info(indices, kind, wanted))
    else:
        extent = x.shape[axis]
        indices = graph.constant("indices", draw.integers(wanted, -extent, extent - 1, "int64"))
    shape = (*x.shape[:axis], *wanted, *x.shape[axis + 1 :])
    return simple(graph, "Gather", x, x.quant, shape, [indices], axis=axis)


@rule("GatherND", (2, 3, 4))
def gather_nd(graph: Graph, x: Value) -> list[Value]:
    """Constant indices of some leading axes."""
    draw = graph.draw
    axes = draw.integer(1, len(x.shape) - 1)
    count = draw.integer(1, 4)
    columns = [draw.integers((count,), -x.shape[k], x.shape[k] - 1, "int64") for k in range(axes)]
    indices = graph.constant("indices", np.stack(columns, axis=-1))
    shape = (count, *x.shape[axes:])
    return simple(graph, "GatherND", x, x.quant, shape, [indices])


@rule("Tile")
def tile(graph: Graph, x: Value) -> list[Value]:
    repeats = [graph.draw.choice((1, 1, 2, 3)) if x.size < LARGE else 1 for _ in x.shape]
    shape = [d * r for d, r in zip(x.shape, repeats, strict=True)]
    return simple(graph, "Tile", x, x.quant, shape, [ints(graph, "repeats", repeats)])


@rule("Expand")
def expand(graph: Graph, x: Value) -> list[Value]:
    """Axes of size one repeated; the shape may leave out leading axes, or have ones itself."""
    draw = graph.draw
    grown = [draw.integer(1, 4) if d == 1 and x.size < LARGE else d for d in x.shape]
    asked = [1 if grown[i] == d and draw.chance(0.5) else grown[i] for i, d in enumerate(x.shape)]
    while len(asked) > 1 and asked[0] == 1 and draw.chance(0.5):
        asked = asked[1:]
    return simple(graph, "Expand", x, x.quant, grown, [ints(graph, "shape", asked)])


@rule("DepthToSpace", (4,))
def depth_to_space(graph: Graph, x: Value) -> list[Value]:
    """The channels are first cut to a multiple of the block squared."""
    block = graph.draw.choice([b for b in (1, 2, 3) if x.shape[1] >= b**2])
    n, channels, height, width = x.shape
    kept = channels // block**2
    x = _cut(graph, x, 1, kept * block**2)
    shape = (n, kept, height * block, width * block)
    mode = graph.draw.choice(("DCR", "CRD"))
    return simple(graph, "DepthToSpace", x, x.quant, shape, blocksize=block, mode=mode)


@rule("SpaceToDepth", (4,))
def space_to_depth(graph: Graph, x: Value) -> list[Value]:
    """The image is first cut to a multiple of the block."""
    block = graph.draw.choice([b for b in (1, 2, 3) if min(x.shape[2:]) >= b])
    n, channels, height, width = x.shape
    rows, columns = height // block, width // block
    x = _cut(graph, _cut(graph, x, 2, rows * block), 3, columns * block)
    shape = (n, channels * block**2, rows, columns)
    return simple(graph, "SpaceToDepth", x, x.quant, shape, blocksize=block)


def _cut(graph: Graph, x: Value, axis: int, extent: int) -> Value:
    """The first `extent` of an axis."""
    if x.shape[axis] == extent:
        return x
    names = [ints(graph, s, [v]) for s, v in (("starts", 0), ("ends", extent), ("axes", axis))]
    shape = [extent if i == axis else d for i, d in enumerate(x.shape)]
    return simple(graph, "Slice", x, x.quant, shape, names)[0]


@rule("Pad", (3, 4))
def pad(graph: Graph, x: Value) -> list[Value]:
    """By zeros, by the tensor's own elements, or, where negative, by less than nothing."""
    draw = graph.draw
    mode = draw.choice(("constant", "constant", "reflect", "edge"))
    lowest = -1 if mode == "constant" and draw.chance(0.2) else 0
    begin, end = [0, 0], [0, 0]
    for extent in x.shape[2:]:
        low = lowest if extent > 2 else 0
        high = min(extent - 1, 2) if mode == "reflect" else 2
        for side in (begin, end):
            side.append(draw.integer(low, high))
    shape = [d + b + e for d, b, e in zip(x.shape, begin, end, strict=True)]
    names = [ints(graph, "pads", [*begin, *end])]
    if mode == "constant" and draw.chance(0.5):
        names.append(graph.constant("value", np.float32(0)))
    return simple(graph, "Pad", x, x.quant, shape, names, mode=mode)


@rule("Resize", (3, 4))
def resize(graph: Graph, x: Value) -> list[Value]:
    """By a whole factor (scales) or to any extent (sizes)."""
    draw = graph.draw
    mode = draw.choice(("nearest", "linear"))
    coordinates = draw.choice(("asymmetric", "half_pixel", "align_corners"))
    attrs = {"mode": mode, "coordinate_transformation_mode": coordinates}
    if mode == "nearest":
        attrs["nearest_mode"] = "floor" if coordinates == "asymmetric" else "round_prefer_floor"
    factor = 2 if max(x.shape[2:]) <= 6 and x.size < LARGE else 1
    if draw.chance(0.5):
        extents = [d * factor for d in x.shape[2:]]
        scales = np.asarray([1, 1, *[factor] * len(extents)], "float32")
        extra = ["", graph.constant("scales", scales)]
    else:
        extents = [draw.extent() for _ in x.shape[2:]]
        extra = ["", "", ints(graph, "sizes", [*x.shape[:2], *extents])]
    return simple(graph, "Resize", x, x.quant, (*x.shape[:2], *extents), extra, **attrs)
