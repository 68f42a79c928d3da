"""Coordinates of the page's picture of calibration: a bar for each layer's signal to noise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tvm_tiny.frontend.quality import LayerError, Quality

from .chart import Frame

# The part of its room that a bar fills, so that neighbours do not touch.
_FILLED = 0.8


class Bar(NamedTuple):
    """A rectangle of the picture, and the layer it stands for."""

    x: float
    y: float
    width: float
    height: float
    layer: LayerError


def noise_frame(quality: Quality) -> Frame:
    """Frame of the picture: layers to the right, decibels upwards."""
    most = max((layer.sqnr_db or 0.0 for layer in quality.layers), default=0.0)
    return Frame(44, 20, 600, 250, len(quality.layers), max(most, 10.0) * 1.05)


def bars(quality: Quality, frame: Frame) -> Iterator[Bar]:
    """One bar for each layer that has an error."""
    width = _FILLED * frame.width / max(frame.x_most, 1)
    for position, layer in enumerate(quality.layers):
        if layer.sqnr_db is not None:
            top = frame.y(max(layer.sqnr_db, 0.0))
            height = round(frame.bottom - top, 2)
            yield Bar(frame.x(position), top, round(width, 2), height, layer)
