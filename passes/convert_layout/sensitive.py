"""The operators that have a layout attribute, and whether it is NCHW or NCW."""

from __future__ import annotations

from typing import Any

from tvm import relax

from .values import TO_NCHW, ints, op_name

CONVOLUTIONS = ("relax.nn.conv1d", "relax.nn.conv2d")
TRANSPOSED = ("relax.nn.conv1d_transpose", "relax.nn.conv2d_transpose")
POOLS = tuple(f"relax.nn.{kind}_pool{rank}d" for kind in ("max", "avg") for rank in (1, 2))
ADAPTIVE = ("relax.nn.adaptive_avg_pool1d", "relax.nn.adaptive_avg_pool2d")
# Operator -> the attribute that holds the layout of its data.
SENSITIVE: dict[str, str] = {
    **dict.fromkeys((*CONVOLUTIONS, *TRANSPOSED), "data_layout"),
    **dict.fromkeys((*POOLS, *ADAPTIVE, "relax.image.resize2d"), "layout"),
}


def names_nchw(value: Any) -> bool:
    """Whether `value` calls a layout-sensitive operator in NCHW or NCW."""
    name = op_name(value)
    return name in SENSITIVE and str(getattr(value.attrs, SENSITIVE[name])) in ("NCHW", "NCW")


def is_nchw(function: Any) -> bool:
    """Whether a function has an operator in NCHW that can be in NHWC.

    False for a function with bindings of other kinds than variables to values.
    """
    bound: dict[Any, Any] = {}
    found = False
    for block in function.body.blocks:
        for binding in block.bindings:
            if not isinstance(binding, relax.VarBinding):
                return False
            bound[binding.var] = binding.value
            found |= _can_move(binding.value, bound)
    return found


def _can_move(value: Any, bound: dict[Any, Any]) -> bool:
    """Whether an operator in NCHW can move; a transposed convolution already moved cannot."""
    if not names_nchw(value):
        return False
    source = bound.get(value.args[0])
    if op_name(value) != "relax.nn.conv2d_transpose" or op_name(source) != "relax.permute_dims":
        return True
    axes: Any = source.attrs.axes if source is not None else None
    return axes is None or ints(axes) != TO_NCHW
