"""A MobileNetV3-like network, with hard-swish or with ReLU6 behind its convolutions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .draw import Quant
from .tflite_builder import Builder, Tensor

LINEAR, RELU6 = Quant(0.05, 0), Quant(6 / 255, -128)
HARD_SWISH = Quant(6.4 / 255, -113)


@dataclass(frozen=True)
class Block:
    """An inverted residual: channels of its result, factor of its expansion, stride."""

    channels: int
    expansion: int
    stride: int


BLOCKS = (Block(16, 1, 1), Block(24, 4, 2), Block(24, 3, 1), Block(40, 4, 2), Block(40, 6, 1))


class Network(Builder):
    """Builds with random weights."""

    def __init__(self, hard_swish: bool) -> None:
        super().__init__()
        self._hard_swish = hard_swish
        self._random = np.random.default_rng(0)

    def _parts(self, shape: tuple[int, ...], channels: int, out: Quant):
        weights = self._random.integers(-127, 128, shape).astype("int8")
        bias = self._random.integers(-500, 500, channels).astype("int32")
        return weights, [0.03 / float(np.prod(shape[1:])) ** 0.5] * channels, bias, out

    def convolution(
        self, x: Tensor, channels: int, kernel: int = 1, stride: int = 1, *, linear: bool = False
    ) -> Tensor:
        plain = linear or self._hard_swish
        shape = (channels, kernel, kernel, x.shape[3])
        y = self.conv2d(
            x, *self._parts(shape, channels, LINEAR if plain else RELU6),
            stride=(stride, stride), activation="NONE" if plain else "RELU6",
        )  # fmt: skip
        return y if linear else self._activated(y)

    def depthwise(self, x: Tensor, stride: int) -> Tensor:
        plain, channels = self._hard_swish, x.shape[3]
        y = self.depthwise_conv2d(
            x, *self._parts((1, 3, 3, channels), channels, LINEAR if plain else RELU6),
            stride=(stride, stride), activation="NONE" if plain else "RELU6",
        )  # fmt: skip
        return self._activated(y)

    def _activated(self, y: Tensor) -> Tensor:
        return self.unary("HARD_SWISH", y, HARD_SWISH) if self._hard_swish else y

    def block(self, x: Tensor, block: Block) -> Tensor:
        wide = block.expansion * x.shape[3]
        y = self.convolution(x, wide) if block.expansion > 1 else x
        y = self.convolution(self.depthwise(y, block.stride), block.channels, linear=True)
        if block.stride > 1 or block.channels != x.shape[3]:
            return y
        return self.binary("ADD", x, y, LINEAR, activation="NONE")


def mobilenet_v3(*, hard_swish: bool) -> bytes:
    """32x32x3 -> five inverted residuals -> mean."""
    net = Network(hard_swish)
    x = net.convolution(net.input((1, 32, 32, 3), LINEAR), 16, 3, 2)
    for block in BLOCKS:
        x = net.block(x, block)
    mean = net.reduce("MEAN", net.convolution(x, 160), (1, 2), LINEAR, keep_dims=False)
    return net.finish([mean])
