"""Trains the networks briefly, so that their statistics and largest outputs mean something."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_convolutions import CLASSES
from torch_networks import NETWORKS

SAMPLES = 64
STEPS = 40


def build(name: str) -> tuple[nn.Module, np.ndarray, np.ndarray]:
    """The trained network, `SAMPLES` samples of its input, [samples, *shape], and its outputs."""
    network = NETWORKS[name]
    torch.manual_seed(len(name))
    module = network.make()
    _unsettle(module)
    data, labels = _data(network.shape)
    _train(module, data, _target(module(data), data, labels))
    module.eval()
    with torch.no_grad():
        return module, data.numpy(), module(data).numpy()


def _unsettle(module: nn.Module) -> None:
    """Give norms weights and biases of which none is the neutral one."""
    for norm in module.modules():
        if isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)):
            nn.init.uniform_(norm.weight, 0.6, 1.4)
            nn.init.uniform_(norm.bias, -0.3, 0.3)


def _data(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Samples around one pattern a class, and their classes."""
    patterns = torch.randn(CLASSES, *shape)
    labels = torch.arange(SAMPLES) % CLASSES
    return 0.8 * patterns[labels] + 0.4 * torch.randn(SAMPLES, *shape), labels


def _target(output: Tensor, data: Tensor, labels: Tensor) -> Tensor:
    """What the network learns: classes, classes of pixels, rows by class, or the input itself."""
    if output.ndim == 2:
        return 4.0 * functional.one_hot(labels, CLASSES) - 1.0
    if output.ndim == 3:
        return (torch.randn(CLASSES, *output.shape[1:])[labels] > 0).float()
    if output.shape == data.shape and output.abs().max() <= 1:
        return data.tanh()
    smooth = functional.avg_pool2d(data, 5, 1, 2)
    return 4.0 * functional.one_hot(smooth.argmax(dim=1), 3).permute(0, 3, 1, 2) - 1.0


def _train(module: nn.Module, data: Tensor, target: Tensor) -> None:
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    for _ in range(STEPS):
        optimizer.zero_grad()
        functional.mse_loss(module(data), target).backward()
        optimizer.step()
