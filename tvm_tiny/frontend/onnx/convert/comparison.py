"""Comparisons, logic on bool, the choice between two tensors, and casts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from tvm import relax

from ..graph import Node, Refused
from .context import Context

OPERATORS: dict[str, Callable[..., Any]] = {
    "And": relax.op.logical_and,
    "Equal": relax.op.equal,
    "Greater": relax.op.greater,
    "GreaterOrEqual": relax.op.greater_equal,
    "Less": relax.op.less,
    "LessOrEqual": relax.op.less_equal,
    "Not": relax.op.logical_not,
    "Or": relax.op.logical_or,
    "Where": relax.op.where,
    "Xor": relax.op.logical_xor,
}


def elementwise(context: Context, node: Node) -> list[Any]:
    """An operator without attributes, whose operands broadcast."""
    operands = [context.value(name) for name in node.inputs]
    return [context.emit(OPERATORS[node.op](*operands), node.outputs[0])]


# Types that can be cast to each other; float16 and bfloat16 have no C type.
_CASTS = ("bool", "float32", "int32", "int64", "int8", "uint8")


def cast(context: Context, node: Node) -> list[Any]:
    """Cast of values, as C does it; a cast to the own type is dropped."""
    data = context.value(node.inputs[0])
    own = str(data.ty.dtype)
    wanted = str(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(int(node.attrs["to"]))))
    if not {own, wanted} <= set(_CASTS):
        raise Refused(f"a cast from {own} to {wanted}; expected two of {', '.join(_CASTS)}")
    return [data if own == wanted else context.emit(relax.op.astype(data, wanted), node.outputs[0])]


TABLE = {**dict.fromkeys(OPERATORS, elementwise), "Cast": cast}
