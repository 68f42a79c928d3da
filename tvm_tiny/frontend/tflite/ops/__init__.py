"""Converters by operator kind; each file holds one family and ends in its table."""

from collections.abc import Callable

from ..graph import Graph
from ..model import Operator
from . import (
    activation,
    batches,
    comparison,
    convolution,
    elementwise,
    floating,
    linear,
    norms,
    padding,
    pooling,
    quantization,
    reduction,
    resize,
    shape,
    slicing,
    transposed,
)

Converter = Callable[[Graph, Operator], None]

#: Operator kind -> converter. An operator without an entry is refused.
CONVERTERS: dict[str, Converter] = {
    **convolution.CONVERTERS,
    **transposed.CONVERTERS,
    **linear.CONVERTERS,
    **elementwise.CONVERTERS,
    **comparison.CONVERTERS,
    **norms.CONVERTERS,
    **pooling.CONVERTERS,
    **reduction.CONVERTERS,
    **padding.CONVERTERS,
    **batches.CONVERTERS,
    **shape.CONVERTERS,
    **slicing.CONVERTERS,
    **resize.CONVERTERS,
    **activation.CONVERTERS,
    **quantization.CONVERTERS,
    **floating.CONVERTERS,
}

__all__ = ["CONVERTERS", "Converter"]
