"""MobileNetV2 with seeded int8 weights, for tests of size: Sandler et al. 2018, table 2."""

from __future__ import annotations

import numpy as np

from .draw import Quant
from .tflite_builder import Builder, Tensor

# Expansion, output channels, repetitions, stride of the first.
BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
ACTIVATION = Quant(6 / 255, -128)
LINEAR = Quant(0.05, 3)


class _MobileNet(Builder):
    def __init__(self, seed: int) -> None:
        super().__init__()
        self.rng = np.random.default_rng(seed)

    def weights(
        self, shape: tuple[int, ...], channels: int
    ) -> tuple[np.ndarray, list[float], np.ndarray]:
        values = self.rng.integers(-127, 128, shape).astype(np.int8)
        scales = self.rng.uniform(0.5, 1.5, channels) * 2 / np.sqrt(np.prod(shape) / channels) / 74
        bias = self.rng.integers(-500, 500, channels).astype(np.int32)
        return values, [float(np.float32(s)) for s in scales], bias

    def conv(self, x: Tensor, channels: int, kernel: int, stride: int, out: Quant) -> Tensor:
        parts = self.weights((channels, kernel, kernel, x.shape[3]), channels)
        activation = "RELU6" if out is ACTIVATION else "NONE"
        return self.conv2d(x, *parts, out, stride=(stride, stride), activation=activation)

    def depthwise(self, x: Tensor, stride: int) -> Tensor:
        parts = self.weights((1, 3, 3, x.shape[3]), x.shape[3])
        return self.depthwise_conv2d(
            x, *parts, ACTIVATION, stride=(stride, stride), activation="RELU6"
        )

    def block(self, x: Tensor, expansion: int, channels: int, stride: int) -> Tensor:
        y = self.conv(x, x.shape[3] * expansion, 1, 1, ACTIVATION) if expansion > 1 else x
        y = self.conv(self.depthwise(y, stride), channels, 1, 1, LINEAR)
        joins = stride == 1 and x.shape == y.shape
        return self.binary("ADD", x, y, LINEAR) if joins else y


def mobilenet_v2(size: int, width: float = 1.0, classes: int = 1000, seed: int = 0) -> bytes:
    """The network for images of size x size x 3, as a .tflite file."""
    net = _MobileNet(seed)
    x = net.conv(
        net.input((1, size, size, 3), Quant(1 / 128, 0)), _round(32 * width), 3, 2, ACTIVATION
    )
    for expansion, channels, repeats, stride in BLOCKS:
        for k in range(repeats):
            x = net.block(x, expansion, _round(channels * width), stride if k == 0 else 1)
    x = net.conv(x, max(1280, _round(1280 * width)), 1, 1, ACTIVATION)
    x = net.reduce("MEAN", x, (1, 2), ACTIVATION, keep_dims=True)
    return net.finish([net.conv(x, classes, 1, 1, LINEAR)])


def _round(channels: float) -> int:
    return max(8, int(channels + 4) // 8 * 8)
