"""Windows that slide over height and width, or over time."""

from __future__ import annotations

from typing import Any

from .graph import Graph, Value


def draw_window(graph: Graph, x: Value, *, dilate: bool = True) -> tuple[dict[str, Any], list[int]]:
    """Attributes of a window that fits, and the output's extents."""
    draw = graph.draw
    kernel, strides, dilations, begin, end, extents = [], [], [], [], [], []
    automatic = draw.choice(("NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"))
    for extent in x.shape[2:]:
        size, step = draw.choice((1, 2, 3, 3, 5)), 1
        if dilate and not automatic.startswith("SAME") and draw.chance(0.15):
            step = 2  # onnxruntime refuses it with SAME
        covered = (size - 1) * step + 1
        if covered > extent:
            size, step, covered = 1, 1, 1
        stride = draw.choice((1, 1, 2, 3))
        before, after = (draw.integer(0, size // 2) for _ in range(2))
        padded = extent + (before + after if automatic == "NOTSET" else 0)
        same = automatic.startswith("SAME")
        if same and not dilate:
            stride = min(stride, size)  # onnxruntime's pooling would pad by less than nothing
        extents.append(-(-extent // stride) if same else (padded - covered) // stride + 1)
        kernel.append(size)
        strides.append(stride)
        dilations.append(step)
        begin.append(before)
        end.append(after)
    attrs: dict[str, Any] = {"kernel_shape": kernel, "strides": strides}
    if dilate:
        attrs["dilations"] = dilations
    if automatic == "NOTSET":
        attrs["pads"] = begin + end
    else:
        attrs["auto_pad"] = automatic
    return attrs, extents
