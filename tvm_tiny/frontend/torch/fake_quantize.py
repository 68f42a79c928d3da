"""Modules trained with fake quantization (QAT): their scales become constants for the export.

`FakeQuantize` of torch.ao asks its own buffers at run time whether to observe, which
`torch.export` cannot follow. After training the answer is no, and scale and zero point are fixed.
"""

from __future__ import annotations

from typing import Any

from .library import import_torch


def freeze_fake_quantization(module: Any) -> Any:
    """`module`, changed in place, with fixed fake quantization; other modules are left alone."""
    torch = import_torch()
    from torch.ao.quantization import FakeQuantizeBase, ObserverBase

    for name, child in list(module.named_children()):
        if isinstance(child, FakeQuantizeBase):
            setattr(module, name, _frozen(torch, child))
        elif isinstance(child, ObserverBase):
            setattr(module, name, torch.nn.Identity())
        elif hasattr(child, "weight_fake_quant") and hasattr(child, "to_float"):
            setattr(module, name, _with_weights_on_grid(torch, child))
        else:
            freeze_fake_quantization(child)
    return module


def _frozen(torch: Any, fake: Any) -> Any:
    """A module that fake-quantizes with the scales that `fake` has learnt."""
    scale, zero_point = (value.detach() for value in fake.calculate_qparams())
    axis = int(getattr(fake, "ch_axis", -1))
    limits = int(fake.quant_min), int(fake.quant_max)

    class Frozen(torch.nn.Module):
        """Fixed fake quantization."""

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("scale", scale)
            self.register_buffer("zero_point", zero_point.to(torch.int32))

        def forward(self, x: Any) -> Any:
            if axis >= 0 and scale.numel() > 1:
                return torch.fake_quantize_per_channel_affine(
                    x, self.scale, self.zero_point, axis, *limits
                )
            return torch.fake_quantize_per_tensor_affine(x, float(scale), int(zero_point), *limits)

    return Frozen()


def _with_weights_on_grid(torch: Any, trained: Any) -> Any:
    """The float layer, batch norm folded in, whose weights are fake-quantized."""
    layer = trained.to_float()
    parts = list(layer.children()) or [layer]
    target = next(part for part in parts if hasattr(part, "weight"))
    fake = _frozen(torch, trained.weight_fake_quant)
    torch.nn.utils.parametrize.register_parametrization(target, "weight", fake)
    return layer
