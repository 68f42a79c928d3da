"""AVERAGE_POOL_2D and MAX_POOL_2D in NHWC; an average does not count padded cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tvm import relax

from ..graph import Graph
from ..model import Operator
from .fused import activated
from .windows import image_shape, window

#: TFLite's pooling kernels accept an output scale that differs from the input's by this much.
_SCALE_TOLERANCE = 1e-6


def _pool(function: Callable[..., Any]) -> Callable[[Graph, Operator], None]:
    def convert(graph: Graph, operator: Operator) -> None:
        data = graph.operand(operator, 0)
        batch, height, width, channels = image_shape(operator, data.shape)
        size = operator.integer("filter_height"), operator.integer("filter_width")
        strides = operator.integer("stride_h"), operator.integer("stride_w")
        rows, top, bottom = window(operator, height, size[0], strides[0], 1)
        columns, left, right = window(operator, width, size[1], strides[1], 1)
        graph.expect_shape(operator, (batch, rows, columns, channels))
        graph.expect_result_quantization(operator, data, _SCALE_TOLERANCE)
        expr = function(
            graph.copied(operator, data),
            pool_size=size,
            strides=strides,
            padding=(top, left, bottom, right),
            count_include_pad=False,
            layout="NHWC",
        )
        graph.store(operator, activated(graph, operator, expr))

    return convert


CONVERTERS = {
    "AVERAGE_POOL_2D": _pool(relax.op.nn.avg_pool2d),
    "MAX_POOL_2D": _pool(relax.op.nn.max_pool2d),
}
