"""QuantizeLinear; a DequantizeLinear is emitted where its result is used (`Context.value`)."""

from __future__ import annotations

from typing import Any

from tvm import relax

from ..graph import Node
from .context import Context


def quantize(context: Context, node: Node) -> list[Any]:
    """QuantizeLinear as R.quantize, bound to the tensor's own name."""
    params = context.graph.qparams(node)
    source = context.value(node.inputs[0])
    scale, zero_point = relax.const(params.scale), relax.const(params.zero_point)
    dtype = str(params.zero_point.dtype)
    call = relax.op.quantize(source, scale, zero_point, axis=params.axis, out_dtype=dtype)
    return [context.emit(call, node.outputs[0])]


def dequantize(context: Context, node: Node) -> list[Any]:
    """DequantizeLinear emits nothing here, since every use emits its own."""
    return []


TABLE = {"QuantizeLinear": quantize, "DequantizeLinear": dequantize}
