"""Products of two int8 tensors, and their rescaling to the output's scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import relax

from tvm_tiny import ops
from tvm_tiny.reference.arithmetic import IntArray, quantize_multiplier, rescale_to_even
from tvm_tiny.reference.convolution import float32_ratio
from tvm_tiny.reference.quantization import rescale_float32, to_output

from .expression import DOMAIN
from .island import Island
from .quantized import Quantized

# The most bits by which a product is shifted to the left before it is rescaled: (255 * 255) << 14
# fits 30 bits.
_HEADROOM = 14


def product(a: Quantized, b: Quantized, island: Island) -> relax.Expr:
    """A qmultiply of `a` and `b` with the island's quantization."""
    rescale = _as_tflite if island.rounding == "tflite" else _as_float32
    attrs = {"a_zp": a.zp, "b_zp": b.zp, "y_zp": island.zp, **rescale(a, b, island)}
    return ops.call("qmultiply", [a.expr, b.expr], **attrs, **island.clamp())


def _as_tflite(a: Quantized, b: Quantized, island: Island) -> dict[str, Any]:
    """The attributes for rescaling by s_a * s_b / s_y with TFLite's two roundings."""
    multiplier, shift = quantize_multiplier(a.real_scale * b.real_scale / island.scale)
    return {"multiplier": multiplier, "shift": shift, "headroom": 0, "rounding": "tflite"}


def _as_float32(a: Quantized, b: Quantized, island: Island) -> dict[str, Any]:
    """The attributes for rescaling as one float32 product does.

    It is done in integers where some headroom gives the same for all products of int8 values:
    cores without floating point take several times as long for a float32 product.
    """
    ratio = float32_ratio(a.real_scale, b.real_scale, island.scale)[0]
    products, target = _all_products(a.zp, b.zp), island.quant
    wanted = to_output(rescale_float32(products, ratio), target, None)
    for headroom in range(_HEADROOM, 0, -1):
        multiplier, shift = quantize_multiplier(float(ratio) / (1 << headroom))
        if shift >= 0:
            break
        found = rescale_to_even(products << headroom, multiplier, shift)
        if np.array_equal(to_output(found, target, None), wanted):
            whole = {"multiplier": multiplier, "shift": shift, "headroom": headroom}
            return whole | {"rounding": "to_even"}
    return _as_tflite(a, b, island) | {"ratio": float(ratio), "rounding": "float32"}


def _all_products(a_zp: int, b_zp: int) -> IntArray:
    """All different products of int8 values minus these zero points."""
    a, b = (DOMAIN.astype("int64") - zero_point for zero_point in (a_zp, b_zp))
    return np.unique(np.outer(a, b))
