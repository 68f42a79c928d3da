"""Edges between float and integers, and between int8 and uint8, that no island contains."""

from __future__ import annotations

import numpy as np
from tvm import relax
from tvm.ir import Call, IRModule
from tvm.relax.expr_functor import PyExprMutator, mutator

from tvm_tiny import ops
from tvm_tiny.reference.quantization import Quant, requantize
from tvm_tiny.relax_rewrite import mutate_main

from .expression import DOMAIN
from .island import Island
from .quantized import Quantized, array_of, constant


def requantize_uint8(island: Island, out_dtype: str) -> relax.Expr | None:
    """A requantize between int8 and uint8, at a model's edge, as a table.

    It computes as TFLite's kernels do: in int8, whose values are 128 below those of uint8.
    """
    leaf = island.leaf(island.core)
    if leaf is None or leaf.scale.size != 1:
        return None
    into, out_of = (128 if dtype == "uint8" else 0 for dtype in (leaf.dtype, out_dtype))
    table = requantize(
        DOMAIN,
        Quant(leaf.real_scale, leaf.zp - into),
        Quant(island.scale, island.zp - out_of),
        rounding=island.reference_rounding,
    )
    values = constant(table.astype("int32") + out_of, out_dtype)
    return ops.call("lut", [leaf.expr, values])


@mutator
class LowerEdges(PyExprMutator):
    """Replaces each remaining quantize and dequantize by tvm_tiny's own operator."""

    def __init__(self, mod: IRModule, rounding: str) -> None:
        super().__init__(mod)
        self._rounding = rounding

    @classmethod
    def apply(cls, mod: IRModule, rounding: str) -> IRModule:
        """A module without relax.quantize and relax.dequantize of one scale."""
        lowered = mutate_main(mod, cls(mod, rounding))
        return relax.transform.DeadCodeElimination(["main"])(lowered)

    def visit_call_(self, call: Call) -> relax.Expr:
        """Rewrite a quantize or dequantize that is left."""
        call = super().visit_call_(call)
        name = getattr(call.op, "name", "")
        if name not in ("relax.quantize", "relax.dequantize"):
            return call
        scale, zero_point = (array_of(self._value(arg)) for arg in call.args[1:3])
        if scale is None or zero_point is None:
            return call
        leaf = Quantized(self._value(call.args[0]), scale, zero_point, int(call.attrs.axis))
        if name == "relax.dequantize" and leaf.array is not None:
            return _folded(leaf)
        if scale.size != 1:
            return call
        if name == "relax.dequantize":
            return ops.call("dequantize", [call.args[0]], scale=leaf.real_scale, zero_point=leaf.zp)
        return self._quantize(call, leaf)

    def _quantize(self, call: Call, leaf: Quantized) -> relax.Expr:
        """A quantize to int8, or to uint8 by a table that adds 128."""
        dtype = str(call.attrs.out_dtype)
        if dtype not in ("int8", "uint8"):
            return call
        zero_point = leaf.zp - (128 if dtype == "uint8" else 0)
        signed = ops.call(
            "quantize",
            [call.args[0]],
            scale=leaf.real_scale,
            zero_point=zero_point,
            rounding=self._rounding,
        )
        if dtype == "int8":
            return signed
        table = constant(np.arange(256), "uint8")
        return ops.call("lut", [self.builder_.emit(signed), table])

    def _value(self, expr: relax.Expr) -> relax.Expr:
        bound = self.lookup_binding(expr) if isinstance(expr, relax.Var) else None
        return expr if bound is None else bound


def _folded(leaf: Quantized) -> relax.Expr:
    """A dequantized constant as a float constant."""
    values = leaf.array
    assert values is not None
    shape = [-1 if axis == leaf.axis % values.ndim else 1 for axis in range(values.ndim)]
    scale = leaf.scale if leaf.scale.size == 1 else leaf.scale.reshape(shape)
    zero = leaf.zero_point if leaf.zero_point.size == 1 else leaf.zero_point.reshape(shape)
    real = (values.astype("int32") - zero.astype("int32")).astype("float32") * scale
    return constant(real.reshape(values.shape), "float32")
