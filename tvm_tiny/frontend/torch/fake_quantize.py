"""Fake quantization of trained (QAT) modules becomes constant scales before the export.

`FakeQuantize` of torch.ao asks its own buffers at run time whether to observe, which `torch.export`
cannot follow. After training it no longer observes, and scale and zero point are fixed.
"""

from __future__ import annotations

from typing import Any

from .library import import_torch


def freeze_fake_quantization(module: Any) -> Any:
    """Fix the fake quantization of `module` in place; modules without it stay as they are."""
    from torch.ao.quantization import FakeQuantizeBase, ObserverBase

    torch = import_torch()
    # Not named_children(), which leaves out the second name of a module that has two.
    for name, child in list(module._modules.items()):
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
    scale, zero_point = fake.scale.detach(), fake.zero_point.detach().to(torch.int32)
    axis = int(getattr(fake, "ch_axis", -1))
    limits = int(fake.quant_min), int(fake.quant_max)

    class Frozen(torch.nn.Module):
        """Fixed fake quantization."""

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("scale", scale)
            self.register_buffer("zero_point", zero_point)

        def forward(self, x: Any) -> Any:
            if axis >= 0 and scale.numel() > 1:
                per_channel = torch.fake_quantize_per_channel_affine
                return per_channel(x, self.scale, self.zero_point, axis, *limits)
            return torch.fake_quantize_per_tensor_affine(x, float(scale), int(zero_point), *limits)

    return Frozen() if fake.fake_quant_enabled[0] else torch.nn.Identity()


def _with_weights_on_grid(torch: Any, trained: Any) -> Any:
    """The float layer, batch norm folded in, with fake quantization of weights and result."""
    layer = trained.to_float()
    target = next(
        part
        for part in layer.modules()
        if isinstance(vars(part)["_parameters"].get("weight"), torch.nn.Parameter)
    )
    trained.weight_fake_quant(target.weight.detach())  # observes the final weights
    fake = _frozen(torch, trained.weight_fake_quant)
    torch.nn.utils.parametrize.register_parametrization(target, "weight", fake)
    after = getattr(trained, "activation_post_process", None)
    return layer if after is None else torch.nn.Sequential(layer, _frozen(torch, after))
