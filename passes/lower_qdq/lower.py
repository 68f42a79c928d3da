"""The pass LowerQDQ: lowers each island by the first rule that matches it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import tvm
from tvm import relax
from tvm.ir import Call, IRModule
from tvm.relax.expr_functor import PyExprMutator, mutator

from tvm_tiny import ops
from tvm_tiny.interface import ROUNDING
from tvm_tiny.relax_rewrite import mutate_main

from . import (
    affine,
    comparison,
    convolution,
    dense,
    elementwise,
    l2_norm,
    movement,
    moves,
    norms,
    pooling,
    prelu,
    reduction,
    softmax,
    sums,
    tables,
    unary,
)
from .edges import LowerEdges, requantize_uint8
from .fallback import note_float
from .island import Island
from .quantized import array_of, ints
from .reasons import seen_reason

# The first rule that matches is taken, so the order counts: an addition may be a bias, part of a
# PReLU, or a sum of tensors.
RULES: tuple[Callable[[Island], relax.Expr | None], ...] = (
    convolution.conv2d,
    convolution.conv2d_transpose,
    dense.matmul,
    prelu.prelu,
    unary.tflite_unary,
    sums.squared_difference,
    sums.add_n,
    sums.extremes,
    l2_norm.l2_normalize,
    elementwise.binary,
    affine.affine,
    reduction.mean,
    pooling.pool2d,
    reduction.extreme,
    softmax.softmax,
    softmax.log_softmax,
    norms.normalize,
    movement.move,
    movement.pad,
    movement.concat,
    movement.resize,
    tables.one_tensor,
    comparison.select,
    comparison.from_bool,
)


_INDEX = ("tvm_tiny.argmax", "tvm_tiny.argmin")


def _first(island: Island | None) -> relax.Expr | None:
    """The result of the first rule that matches the island, or None."""
    answers = (rule(island) for rule in RULES) if island is not None else iter(())
    return next((answer for answer in answers if answer is not None), None)


def _before_move(island: Island) -> relax.Expr | None:
    """quantize(move(f(x))) -> the integer move of quantize(f(x)), which is the same.

    Moves that select elements are left out: each of several slices would compute all of f(x).
    """
    move = moves.find(island.value(island.core), island.value)
    sizes = [math.prod(ints(e.ty.shape)) for e in (island.core, move.source)] if move else []
    if move is None or sizes[0] != sizes[1]:
        return None
    inner = replace(island, core=move.source).without_activation()
    lowered = _first(inner)
    lowered = _before_move(inner) if lowered is None else lowered
    return None if lowered is None else move.call(island.emit(lowered))


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.LowerQDQ")
class LowerQDQ:
    """Lower quantize-dequantize islands to tvm_tiny's integer operators.

    Before::

        quantize(clip(add(conv2d(dequantize(x), dequantize(w)), dequantize(bias)), 0, 6))

    After::

        tvm_tiny.qconv2d(x, w, bias, multiplier, shift, x_zp=..., act_min=..., ...)

    Requires: one function "main" in NHWC/OHWI QDQ form with constant quantization parameters.
    Ensures: an integer operator gives the same bytes as TFLite's reference kernels, or, with
    main's attribute `tvm_tiny.rounding` = "float32", rounds sums as onnxruntime does. All other
    operators stay in float between tvm_tiny.dequantize and tvm_tiny.quantize; a
    FloatFallbackWarning for each such tensor says why, and main's attribute `tvm_tiny.float` lists
    them. A quantize or dequantize by several scales, or by scales that are not constant, stays.
    Does nothing when: main has no quantize and no dequantize, except for naming float operators.
    """

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Rewrite main; the module given is not changed."""
        attrs = mod["main"].attrs
        rounding = str(attrs.get(ROUNDING, "tflite")) if attrs else "tflite"
        islands = _LowerIslands(mod, rounding)
        lowered = mutate_main(mod, islands)
        lowered = relax.transform.DeadCodeElimination(["main"])(lowered)
        lowered = LowerEdges.apply(lowered, rounding)
        return note_float(lowered, islands.declined)


@mutator
class _LowerIslands(PyExprMutator):
    """Replaces each quantize by the integer operator its island stands for."""

    def __init__(self, mod: IRModule, rounding: str) -> None:
        super().__init__(mod)
        self._rounding = rounding
        self._tensor = ""
        self.declined: dict[str, str] = {}  # Tensor that stays in float -> the reason.

    def visit_var_binding_(self, binding: relax.VarBinding) -> None:
        self._tensor = binding.var.name
        super().visit_var_binding_(binding)

    def visit_call_(self, call: Call) -> relax.Expr:
        call = super().visit_call_(call)
        name = getattr(call.op, "name", "")
        if name == "relax.quantize":
            return self._lower(call)
        if name in ("relax.argmax", "relax.argmin"):
            return self._lower_argmax(call)
        if comparison.gives_bool(call):
            island = self._island(call, 1.0, 0)
            lowered = comparison.predicate(island, call)
            return self._declined(call, island) if lowered is None else lowered
        if name == "relax.astype":
            return self._lower_cast(call)
        return call

    def _island(self, core: relax.Expr, scale: float, zp: int) -> Island:
        emit, lookup = self.builder_.emit, self.lookup_binding
        return Island(emit, lookup, core, scale, zp, rounding=self._rounding)

    def _lower(self, call: Call) -> relax.Expr:
        scale, zero_point = (array_of(arg) for arg in call.args[1:3])
        if scale is None or zero_point is None or scale.size != 1:
            return call
        out_dtype = str(call.attrs.out_dtype)
        island = self._island(
            call.args[0], float(scale.reshape(-1)[0]), int(zero_point.reshape(-1)[0])
        )
        leaf = island.leaf(island.core)
        if "uint8" in (out_dtype, leaf.dtype if leaf is not None else ""):
            lowered = requantize_uint8(island, out_dtype)
            return call if lowered is None else lowered
        if out_dtype != "int8":
            return call
        island = island.without_activation()
        lowered = _first(island)
        if lowered is None:
            lowered = _first(island.without_factor())
        if lowered is None:
            lowered = _before_move(island)
        return self._declined(call, island) if lowered is None else lowered

    def _declined(self, call: Call, island: Island) -> Call:
        """The call as it is; the reason why it stays in float goes to `declined`."""
        reason = seen_reason(island) or next(iter(island.reasons), None)
        if reason is not None:
            self.declined[self._tensor] = reason
        return call

    def _lower_argmax(self, call: Call) -> relax.Expr:
        """An argmax or argmin on the int8 values, as int64; dequantizing keeps their order."""
        island = self._island(call, 1.0, 0)
        x = island.activation(call.args[0])
        if x is None or call.attrs.axis is None:
            return self._declined(call, island)
        axis = int(call.attrs.axis) % len(x.shape)
        attrs = {"axis": axis, "shape": ints(call.ty.shape), "dtype": "int64"}
        return ops.call(call.op.name.removeprefix("relax."), [x.expr], **attrs)

    def _lower_cast(self, call: Call) -> relax.Expr:
        """A cast, merged with the argmax, argmin or cast before it where possible."""
        found = self._island(call, 1.0, 0).value(call.args[0])
        inner = getattr(found.op, "name", "") if isinstance(found, Call) else ""
        dtype = str(call.attrs.dtype)
        if inner == "relax.astype" and _is_back_again(found, dtype):
            return found.args[0]
        if inner not in _INDEX or dtype not in ("int32", "int64"):
            return call
        attrs = {key: found.attrs[key] for key in ("axis", "shape")}
        return ops.call(inner.removeprefix("tvm_tiny."), list(found.args), **attrs, dtype=dtype)


def _is_back_again(widened: Call, dtype: str) -> bool:
    """Whether a cast of `widened` to `dtype` gives the values before `widened` again."""
    own, wide = str(widened.args[0].ty.dtype), str(widened.attrs.dtype)
    return own == dtype != "bool" and np.can_cast(own, wide, "safe")
