"""A network whose memory goes where an expansion is: an inverted residual."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .draw import Quant
from .tflite_builder import Builder

ACTIVATION = Quant(0.05, -3)


class Network(Builder):
    """Builds with random weights."""

    def __init__(self) -> None:
        super().__init__()
        self.random = np.random.default_rng(3)

    def _parts(self, shape, channels):
        weights = self.random.integers(-127, 128, shape).astype("int8")
        bias = self.random.integers(-500, 500, channels).astype("int32")
        return weights, [0.01] * channels, bias, ACTIVATION

    def convolution(self, x, channels, kernel=1, stride=1):
        parts = self._parts((channels, kernel, kernel, x.shape[3]), channels)
        return self.conv2d(x, *parts, stride=(stride, stride))

    def depthwise(self, x):
        parts = self._parts((1, 3, 3, x.shape[3]), x.shape[3])
        return self.depthwise_conv2d(x, *parts, stride=(1, 1))


def inverted_residual(rename=None) -> bytes:
    """16x16x3 -> conv -> expand, depthwise, project, add -> mean: most of it is the expansion."""
    net = Network()
    x = net.convolution(net.input((1, 16, 16, 3), ACTIVATION), 4, 3)
    y = net.convolution(net.depthwise(net.convolution(x, 24)), 4)
    y = net.binary("ADD", x, y, ACTIVATION)
    result = net.reduce("MEAN", y, (1, 2), ACTIVATION, keep_dims=True)
    if rename is None:
        return net.finish([result])
    net.tensors[:] = [replace(t, name=rename(t.name)) if t.data is None else t for t in net.tensors]
    return net.finish([net.tensors[result.index]])
