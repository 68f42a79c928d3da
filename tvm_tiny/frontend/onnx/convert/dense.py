"""Gemm and MatMul; constant right operands become kernels [O, I] and a transpose."""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import relax

from ..graph import Node, QParams, Refused
from .context import Context, dims
from .tail import convert_by_tvm


def _transposed(context: Context, name: str, *, stored_transposed: bool) -> Any:
    """The right operand [I, O] of a product, as permute_dims of a kernel [O, I].

    `stored_transposed` says that the tensor is stored as [O, I].
    """
    known = context.dequantized_constant(name)
    if known is None or known[0].ndim != 2:
        value = context.value(name)
        return context.emit(relax.op.permute_dims(value)) if stored_transposed else value
    raw, params = known
    if not stored_transposed:
        axis = -1 if params.per_tensor else 1 - params.axis
        raw = np.ascontiguousarray(raw.T)
        params = QParams(params.scale, params.zero_point, axis)
    kernel = context.dequantize(relax.const(raw), params)
    return context.emit(relax.op.permute_dims(kernel))


def gemm(context: Context, node: Node) -> list[Any]:
    """Gemm as matmul and, with a third input, add."""
    factors = (node.attrs.get("alpha", 1.0), node.attrs.get("beta", 1.0))
    if factors != (1.0, 1.0):
        return convert_by_tvm(context, node)
    left = context.value(node.inputs[0])
    if node.attrs.get("transA", 0):
        left = context.emit(relax.op.permute_dims(left))
    right = _transposed(
        context, node.inputs[1], stored_transposed=bool(node.attrs.get("transB", 0))
    )
    result = context.emit(relax.op.matmul(left, right))
    if node.input(2):
        result = context.emit(relax.op.add(result, context.value(node.inputs[2])))
    return [result]


def matmul(context: Context, node: Node) -> list[Any]:
    """MatMul with a constant kernel [I, O], or a batch product of two values."""
    left = context.value(node.inputs[0])
    right = _transposed(context, node.inputs[1], stored_transposed=False)
    if min(len(dims(left)), len(dims(right))) < 2:
        raise Refused("vectors are not supported; give both operands at least two dimensions")
    return [context.emit(relax.op.matmul(left, right))]


TABLE = {"Gemm": gemm, "MatMul": matmul}
