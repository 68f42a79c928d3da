"""PyTorch networks with attention or layer normalization."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_convolutions import CLASSES, Classifier


class Attention(nn.Module):
    """Self-attention of several heads, written by hand."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, t, width = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, self.heads, self.size).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * self.size**-0.5).softmax(dim=-1)
        return self.out((weights @ v).transpose(1, 2).reshape(n, t, width))


class PatchEmbedding(nn.Module):
    """A small vision transformer: patches, positions, one block, the mean of all tokens."""

    def __init__(self) -> None:
        super().__init__()
        width = 32
        self.patches = nn.Conv2d(3, width, 6, 6)
        self.position = nn.Parameter(torch.randn(1, 16, width) * 0.2)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, 4)
        self.mlp = nn.Sequential(nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width))
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        t = self.patches(x).flatten(2).transpose(1, 2) + self.position
        t = t + self.attention(self.norm1(t))
        t = t + self.mlp(self.norm2(t))
        return self.head(t.mean(dim=1))


class Encoder(nn.Module):
    """PyTorch's own transformer layer over a sequence of features."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(6, 24)
        self.layer = nn.TransformerEncoderLayer(24, 4, 48, dropout=0.1, batch_first=True)
        self.head = nn.Linear(24, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(self.embed(x)).mean(dim=1))


def mlp_layer_norm() -> nn.Module:
    return Classifier(
        nn.Sequential(
            nn.Linear(20, 48), nn.LayerNorm(48), nn.GELU(),
            nn.Linear(48, 48), nn.LayerNorm(48), nn.SiLU(),
        ),
        48,
    )  # fmt: skip
