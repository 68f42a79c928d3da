"""A small writer of .tflite files: tensors, constants, and one method an operator.

    b = Builder()
    x = b.input((1, 8, 8, 3), Quant(0.02, -5))
    y = b.conv2d(x, weights, weight_scales, bias, Quant(0.1, 3), stride=(2, 2))
    data = b.finish([y])

Shapes are inferred; quantization is the caller's. Follows the schema of TensorFlow Lite
version 3 (schema.fbs). It checks nothing: whoever wants an illegal file can write one.
"""

from __future__ import annotations

from collections.abc import Sequence

from .elementwise import Elementwise
from .graph import Tensor
from .movement import Movement
from .schema import OPTIONS
from .weighted import Weighted
from .windows import Windows, window_extent
from .writer import Writer

__all__ = ["OPTIONS", "Builder", "Tensor", "window_extent"]


class Builder(Weighted, Windows, Elementwise, Movement):
    """A graph with a method for every operator; `finish` gives the file."""

    def finish(self, outputs: Sequence[Tensor]) -> bytes:
        """The model as a flatbuffer with the identifier TFL3."""
        return Writer(self).model(outputs)
