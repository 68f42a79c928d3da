"""LowerQDQ: islands of dequantize, float operators and quantize become integer operators."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import tvm
from tvm import relax
from tvm.ir import Call, IRModule
from tvm.relax.expr_functor import PyExprMutator, mutator

from tvm_tiny import ops

from . import convolution, elementwise, movement, pooling
from .island import Island, Quantized, array_of, constant

# In order: the first rule that answers wins. A sum may be a bias, a PReLU or a plain sum.
RULES: tuple[Callable[[Island], relax.Expr | None], ...] = (
    convolution.conv2d,
    convolution.conv2d_transpose,
    convolution.matmul,
    elementwise.prelu,
    elementwise.unary,
    elementwise.binary,
    pooling.pool2d,
    pooling.mean,
    pooling.softmax,
    movement.reshape,
    movement.transpose,
    movement.pad,
    movement.concat,
    movement.strided_slice,
    movement.resize,
)


class FloatFallbackWarning(UserWarning):
    """An operator has no integer form and runs in float on the device."""


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.LowerQDQ")
class LowerQDQ:
    """Lower quantize-dequantize islands to tvm_tiny's integer operators.

    Before::

        quantize(clip(add(conv2d(dequantize(x), dequantize(w)), dequantize(bias)), 0, 6))

    After::

        tvm_tiny.qconv2d(x, w, bias, multiplier, shift, x_zp=..., act_min=..., ...)

    Requires: one function "main" in NHWC/OHWI QDQ form with constant quantization parameters.
    Ensures: no relax.quantize or relax.dequantize is left; what had an integer form computes
    bit for bit what TFLite's reference kernels compute; the rest stays float between
    tvm_tiny.dequantize and tvm_tiny.quantize, each named in a FloatFallbackWarning.
    Does nothing when: the module holds no quantize and no dequantize.
    """

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Rewrite main; the module given is not changed."""
        rewriter = _LowerIslands(mod)
        function = rewriter.visit_expr(mod["main"])
        builder_module = rewriter.builder_.get()
        builder_module.update_func(builder_module.get_global_var("main"), function)
        lowered = relax.transform.DeadCodeElimination(["main"])(builder_module)
        return _LowerEdges.apply(lowered)


@mutator
class _LowerIslands(PyExprMutator):
    """Replaces each quantize by the integer operator its island stands for."""

    def visit_call_(self, call: Call) -> relax.Expr:
        call = super().visit_call_(call)
        name = getattr(call.op, "name", "")
        if name == "relax.quantize":
            return self._lower(call)
        if name in ("relax.argmax", "relax.astype"):
            return self._lower_argmax(call)
        return call

    def _island(self, core: relax.Expr, scale: float, zp: int) -> Island:
        return Island(self.builder_.emit, self.lookup_binding, core, scale, zp)

    def _lower(self, call: Call) -> relax.Expr:
        scale, zero_point = (array_of(arg) for arg in call.args[1:3])
        if scale is None or zero_point is None or scale.size != 1:
            return call
        scale, zp = float(scale.reshape(-1)[0]), int(zero_point.reshape(-1)[0])
        island = self._island(call.args[0], scale, zp)
        if "uint8" in (str(call.attrs.out_dtype), self._source_dtype(island)):
            return _requantize_uint8(island, str(call.attrs.out_dtype)) or call
        island = island.without_activation()
        for rule in RULES:
            lowered = rule(island)
            if lowered is not None:
                return lowered
        return call

    def _source_dtype(self, island: Island) -> str:
        leaf = island.leaf(island.core)
        return "" if leaf is None else leaf.dtype

    def _lower_argmax(self, call: Call) -> relax.Expr:
        island = self._island(call, 1.0, 0)
        argmax = island.value(call.args[0])
        if call.op.name == "relax.astype":
            inner = isinstance(argmax, Call) and getattr(argmax.op, "name", "")
            if inner != "tvm_tiny.argmax" or str(call.attrs.dtype) not in ("int32", "int64"):
                return call
            attrs = {key: argmax.attrs[key] for key in ("axis", "shape")}
            return ops.call("argmax", list(argmax.args), **attrs, dtype=str(call.attrs.dtype))
        x = island.activation(call.args[0])
        if x is None or call.attrs.axis is None:
            return call
        shape = [int(d) for d in call.ty.shape]
        axis = int(call.attrs.axis) % len(x.shape)
        return ops.call("argmax", [x.expr], axis=axis, shape=shape, dtype="int64")


def _requantize_uint8(island: Island, out_dtype: str) -> relax.Expr | None:
    """A requantize between int8 and uint8, at a model's edge: a table with its own dtypes."""
    import numpy as np

    from tvm_tiny.reference.quantization import Quant, requantize

    leaf = island.leaf(island.core)
    if leaf is None or leaf.scale.size != 1:
        return None
    into, outof = (128 if d == "uint8" else 0 for d in (leaf.dtype, out_dtype))
    domain = np.arange(-128, 128)
    table = requantize(
        domain.astype("int8"),
        Quant(leaf.real_scale, leaf.zp - into),
        Quant(island.scale, island.zp - outof),
    )
    return ops.call("lut", [leaf.expr, constant(table.astype("int32") + outof, out_dtype)])


@mutator
class _LowerEdges(PyExprMutator):
    """What float is left begins and ends with tvm_tiny's quantize and dequantize."""

    @classmethod
    def apply(cls, mod: IRModule) -> IRModule:
        rewriter = cls(mod)
        function = rewriter.visit_expr(mod["main"])
        result = rewriter.builder_.get()
        result.update_func(result.get_global_var("main"), function)
        return relax.transform.DeadCodeElimination(["main"])(result)

    def visit_call_(self, call: Call) -> relax.Expr:
        call = super().visit_call_(call)
        name = getattr(call.op, "name", "")
        if name not in ("relax.quantize", "relax.dequantize"):
            return call
        scale, zero_point = (array_of(arg) for arg in call.args[1:3])
        data = self._value(call.args[0])
        if name == "relax.dequantize" and array_of(data) is not None:
            return _folded(Quantized(data, scale, zero_point, int(call.attrs.axis)))
        return ops.call(
            name.removeprefix("relax."),
            [call.args[0]],
            scale=float(scale.reshape(-1)[0]),
            zero_point=int(zero_point.reshape(-1)[0]),
        )

    def _value(self, expr: relax.Expr) -> relax.Expr:
        bound = self.lookup_binding(expr) if isinstance(expr, relax.Var) else None
        return expr if bound is None else bound


def _folded(leaf: Quantized) -> relax.Expr:
    """A dequantized constant as the float constant it is."""
    values = leaf.array
    assert values is not None
    shape = [-1 if axis == leaf.axis % values.ndim else 1 for axis in range(values.ndim)]
    scale = leaf.scale if leaf.scale.size == 1 else leaf.scale.reshape(shape)
    zero = leaf.zero_point if leaf.zero_point.size == 1 else leaf.zero_point.reshape(shape)
    real = (values.astype("int32") - zero.astype("int32")).astype("float32") * scale
    return constant(real.reshape(values.shape), "float32")


def warn_of_float(mod: IRModule) -> None:
    """One FloatFallbackWarning for each operator of main that computes in float."""
    for block in mod["main"].body.blocks:
        for binding in block.bindings:
            value: Any = binding.value
            name = getattr(getattr(value, "op", None), "name", "")
            if name.startswith("relax.") and str(getattr(binding.var.ty, "dtype", "")) == "float32":
                message = f"{name.removeprefix('relax.')} (tensor '{binding.var.name_hint}') "
                warnings.warn(
                    message + "has no integer form and runs in float",
                    FloatFallbackWarning,
                    stacklevel=2,
                )
