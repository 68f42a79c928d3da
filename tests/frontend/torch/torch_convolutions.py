"""Convolutional PyTorch networks of everyday kinds."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 5


class Classifier(nn.Module):
    """Features, flattened, and one linear layer."""

    def __init__(self, features: nn.Module, width: int) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).flatten(1))


def conv(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """A convolution without bias and its batch norm."""
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]


def plain_cnn() -> nn.Module:
    return Classifier(
        nn.Sequential(
            *conv(3, 8), nn.ReLU(), nn.MaxPool2d(2),
            *conv(8, 16), nn.ReLU(), nn.MaxPool2d(2),
            *conv(16, 24), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        ),
        96,
    )  # fmt: skip


def cnn_1d() -> nn.Module:
    return Classifier(
        nn.Sequential(
            nn.Conv1d(4, 12, 5, padding=2), nn.BatchNorm1d(12), nn.ReLU(), nn.MaxPool1d(2),
            nn.Conv1d(12, 12, 3, padding=1, groups=12), nn.Conv1d(12, 24, 1), nn.ReLU(),
            nn.AvgPool1d(2), nn.Conv1d(24, 24, 3, stride=2), nn.ELU(), nn.AdaptiveAvgPool1d(1),
        ),
        24,
    )  # fmt: skip


class CausalBlock(nn.Module):
    """Two dilated convolutions that see the past only, and the input added."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        self.pad = 2 * dilation
        self.first = nn.Conv1d(inputs, outputs, 3, padding=self.pad, dilation=dilation)
        self.second = nn.Conv1d(outputs, outputs, 3, padding=self.pad, dilation=dilation)
        self.shortcut = nn.Conv1d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.first(x)[:, :, : -self.pad])
        y = functional.relu(self.second(y)[..., : -self.pad])
        return functional.relu(y + self.shortcut(x))


class TCN(nn.Module):
    """A temporal convolutional network; it answers from the last time step."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(CausalBlock(4, 12, 1), CausalBlock(12, 12, 2),
                                    CausalBlock(12, 16, 4))  # fmt: skip
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(x)[:, :, -1])


class PreActivation(nn.Module):
    """A residual block whose batch norms and activations stand before the convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.shortcut = (
            nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm1(x))
        z = self.conv2(functional.relu(self.norm2(self.conv1(y))))
        return z + (self.shortcut(y) if z.shape != x.shape else x)


def resnet_preactivation() -> nn.Module:
    return Classifier(
        nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False),
            PreActivation(8, 8, 1), PreActivation(8, 16, 2), PreActivation(16, 24, 2),
            nn.BatchNorm2d(24), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        ),
        24,
    )  # fmt: skip


class SqueezeExcitation(nn.Module):
    """Channels scaled by what two 1x1 convolutions make of their means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, 8, 1), nn.Conv2d(8, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        s = functional.relu(self.down(functional.adaptive_avg_pool2d(x, 1)))
        return x * functional.hardsigmoid(self.up(s))


class InvertedResidual(nn.Module):
    """MobileNetV3's block."""

    def __init__(self, inputs: int, hidden: int, outputs: int, stride: int, hard: bool) -> None:
        super().__init__()
        act = nn.Hardswish if hard else nn.ReLU
        self.body = nn.Sequential(
            *conv(inputs, hidden, 1), act(),
            *conv(hidden, hidden, 3, stride, hidden), act(),
            SqueezeExcitation(hidden), *conv(hidden, outputs, 1),
        )  # fmt: skip
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.residual else self.body(x)


def mobilenet_v3() -> nn.Module:
    return Classifier(
        nn.Sequential(
            *conv(3, 8, 3, 2), nn.Hardswish(),
            InvertedResidual(8, 16, 8, 1, False), InvertedResidual(8, 24, 16, 2, True),
            InvertedResidual(16, 32, 16, 1, True), *conv(16, 40, 1), nn.Hardswish(),
            nn.AdaptiveAvgPool2d(1),
        ),
        40,
    )  # fmt: skip


class Shuffle(nn.Module):
    """ShuffleNet's unit: half of the channels pass, the other half is convolved, then mixed."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.body = nn.Sequential(*conv(half, half, 1), nn.ReLU(),
                                  *conv(half, half, 3, 1, half), *conv(half, half, 1),
                                  nn.ReLU())  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        kept, worked = x.chunk(2, dim=1)
        y = torch.cat([kept, self.body(worked)], dim=1)
        n, c, h, w = y.shape
        return y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


def shufflenet() -> nn.Module:
    return Classifier(
        nn.Sequential(
            *conv(3, 16, 3, 2), nn.ReLU(), Shuffle(16), Shuffle(16), nn.MaxPool2d(3, 2, 1),
            *conv(16, 32, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        ),
        32,
    )  # fmt: skip


class DenseLayer(nn.Module):
    """DenseNet's layer: new channels beside all that came before."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.conv = nn.Conv2d(inputs, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(functional.relu(self.norm(x)))], dim=1)


def densenet() -> nn.Module:
    return Classifier(
        nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False),
            DenseLayer(8, 6), DenseLayer(14, 6), nn.BatchNorm2d(20), nn.ReLU(),
            nn.Conv2d(20, 10, 1), nn.AvgPool2d(2), DenseLayer(10, 6), DenseLayer(16, 6),
            nn.BatchNorm2d(22), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        ),
        22,
    )  # fmt: skip


class UNet(nn.Module):
    """An encoder and a decoder with shortcuts; one class a pixel. up: how it grows again."""

    def __init__(self, up: str) -> None:
        super().__init__()
        self.down1 = nn.Sequential(*conv(3, 8), nn.ReLU())
        self.down2 = nn.Sequential(*conv(8, 16), nn.ReLU())
        self.bottom = nn.Sequential(*conv(16, 16), nn.ReLU())
        self.up1, self.up2 = self._grow(up, 16), self._grow(up, 12)
        self.join1 = nn.Sequential(*conv(32, 12), nn.ReLU())
        self.join2 = nn.Sequential(*conv(20, 12), nn.ReLU())
        self.head = nn.Conv2d(12, 3, 1)

    def _grow(self, up: str, channels: int) -> nn.Module:
        if up == "transposed":
            return nn.ConvTranspose2d(channels, channels, 2, stride=2)
        corners = False if up == "bilinear" else None
        return nn.Upsample(scale_factor=2, mode=up, align_corners=corners)

    def forward(self, x: Tensor) -> Tensor:
        a = self.down1(x)
        b = self.down2(functional.max_pool2d(a, 2))
        c = self.bottom(functional.max_pool2d(b, 2))
        d = self.join1(torch.cat([self.up1(c), b], dim=1))
        return self.head(self.join2(torch.cat([self.up2(d), a], dim=1)))


def autoencoder() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 12, 3, 2, 1), nn.LeakyReLU(0.1), nn.Conv2d(12, 16, 3, 2, 1), nn.LeakyReLU(0.1),
        nn.ConvTranspose2d(16, 12, 3, 2, 1, output_padding=1), nn.LeakyReLU(0.1),
        nn.ConvTranspose2d(12, 3, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip


class YOLO(nn.Module):
    """A detector's head: SiLU layers, two scales, and boxes decoded to one list of rows."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv(3, 8, 3, 2), nn.SiLU(), *conv(8, 16, 3, 2), nn.SiLU())
        self.deep = nn.Sequential(*conv(16, 24, 3, 2), nn.SiLU())
        self.large, self.small = nn.Conv2d(24, 4 + CLASSES, 1), nn.Conv2d(40, 4 + CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.stem(x)
        b = self.deep(a)
        up = functional.interpolate(b, scale_factor=2.0, mode="nearest")
        maps = self.small(torch.cat([up, a], dim=1)), self.large(b)
        rows = [m.flatten(2).transpose(1, 2).sigmoid() for m in maps]
        return torch.cat(rows, dim=1)
