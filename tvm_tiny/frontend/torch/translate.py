"""Translates fake quantization to ONNX, with any limits.

PyTorch's own translation supports only the limits of the full 8-bit types. Others, such as -127 to
127 or the 7 bits of `reduce_range`, become a clamp to the reals that these limits stand for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def fake_quantization(torch: Any) -> dict[Any, Callable[..., Any]]:
    """Translations by PyTorch operator, for `torch.onnx.export(custom_translation_table=...)`."""
    ops = torch.ops.aten
    return {
        ops.fake_quantize_per_tensor_affine.default: _per_tensor,
        ops.fake_quantize_per_tensor_affine.tensor_qparams: _per_tensor,
        ops.fake_quantize_per_channel_affine.default: _per_channel,
    }


def _per_tensor(x: Any, scale: Any, zero_point: Any, quant_min: int, quant_max: int) -> Any:
    return _quantized(x, scale, zero_point, (quant_min, quant_max), {})


def _per_channel(
    x: Any, scale: Any, zero_point: Any, axis: int, quant_min: int, quant_max: int
) -> Any:
    return _quantized(x, scale, zero_point, (quant_min, quant_max), {"axis": axis})


def _quantized(
    x: Any, scale: Any, zero_point: Any, limits: tuple[int, int], axis: dict[str, int]
) -> Any:
    from onnxscript import opset18 as op

    dtype = np.dtype(np.int8 if limits[0] < 0 else np.uint8)
    code = 3 if limits[0] < 0 else 2  # TensorProto.INT8, UINT8
    scale = op.Cast(scale, to=1)
    point = op.Cast(zero_point, to=code)
    full = np.iinfo(dtype).min, np.iinfo(dtype).max
    if limits == full:
        return _pair(op, x, scale, point, axis)
    if axis:
        quantized = op.QuantizeLinear(x, scale, point, **axis)
        bounds = (op.Cast(limit, to=code) for limit in limits)
        return op.DequantizeLinear(op.Clip(quantized, *bounds), scale, point, **axis)
    if x.producer() is None:
        # At the model's input the clamp comes second, so that the input itself has 8 bits.
        x = _pair(op, x, scale, point, axis)
    real = op.Cast(zero_point, to=1)
    bounds = (op.Mul(op.Sub(op.Cast(limit, to=1), real), scale) for limit in limits)
    return _pair(op, op.Clip(x, *bounds), scale, point, axis)


def _pair(op: Any, x: Any, scale: Any, point: Any, axis: dict[str, int]) -> Any:
    return op.DequantizeLinear(op.QuantizeLinear(x, scale, point, **axis), scale, point, **axis)
