"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR, to `R.image.resize2d`.

An output coordinate x maps to the input, with s = in / out, as follows: asymmetric x * s; half
pixel (x + 0.5) * s - 0.5; align corners x * (in - 1) / (out - 1). For half pixels, nearest takes
floor((x + 0.5) * s), which is the formula above rounded with halves up. Align corners rounds in the
same way, and asymmetric takes the floor.
"""

from __future__ import annotations

from collections.abc import Callable

from tvm import relax

from tvm_tiny.errors import ModelError

from ..graph import Graph, unsupported
from ..model import Operator
from ..validate import label
from .windows import image_shape


def _resize(method: str) -> Callable[[Graph, Operator], None]:
    def convert(graph: Graph, operator: Operator) -> None:
        data = graph.operand(operator, 0)
        batch, _, _, channels = image_shape(operator, data.shape)
        size = graph.integers(operator, 1)
        if len(size) != 2 or min(size) < 1:
            raise ModelError(f"{label(operator)}: size {size}; expected height and width")
        graph.expect_shape(operator, (batch, *size, channels))
        mode = _mode(graph, operator)
        expr = relax.op.image.resize2d(
            graph.copied(operator, data),
            size,
            layout="NHWC",
            method=method,
            coordinate_transformation_mode=mode,
            rounding_method="floor" if mode == "asymmetric" else "round_prefer_ceil",
        )
        graph.store(operator, expr)

    return convert


def _mode(graph: Graph, operator: Operator) -> str:
    corners, half = operator.flag("align_corners"), operator.flag("half_pixel_centers")
    if corners and half:
        raise unsupported(
            operator, graph.output(operator), "align_corners together with half_pixel_centers"
        )
    return "align_corners" if corners else "half_pixel" if half else "asymmetric"


CONVERTERS = {
    "RESIZE_NEAREST_NEIGHBOR": _resize("nearest_neighbor"),
    "RESIZE_BILINEAR": _resize("linear"),
}
