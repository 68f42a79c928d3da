"""ConvertLayout: NCHW data and OIHW kernels become NHWC and OHWI."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tvm
from tvm import relax

TO_NHWC, TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)
# Where each axis of NCHW (or OIHW) lies in NHWC (or OHWI).
MOVED = (0, 3, 1, 2)

POOLS = ("relax.nn.max_pool2d", "relax.nn.avg_pool2d")
SENSITIVE: dict[str, str] = {
    **dict.fromkeys(("relax.nn.conv2d", "relax.nn.conv2d_transpose"), "data_layout"),
    **dict.fromkeys((*POOLS, "relax.nn.adaptive_avg_pool2d", "relax.image.resize2d"), "layout"),
}
# Operators whose operand need not be in NHWC because their result is.
REORDERING = tuple(
    f"relax.{name}" for name in ("permute_dims", "reshape", "squeeze", "expand_dims", "flatten")
)
BINARY = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "power")
UNARY = ("sigmoid", "tanh", "exp", "sqrt", "abs", "negative", "nn.relu", "nn.gelu", "nn.silu")


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.ConvertLayout")
class ConvertLayout:
    """Give every 4-D value the layout NHWC and every convolution kernel OHWI.

    Before::

        a = R.nn.conv2d(dq(x), dq(w: [O, I, KH, KW]), data_layout="NCHW", kernel_layout="OIHW")
        b = R.add(a, R.reshape(dq(bias: [O]), [1, O, 1, 1]))

    After::

        x_nhwc = R.permute_dims(x, [0, 2, 3, 1])
        a = R.nn.conv2d(dq(x_nhwc), dq(w: [O, KH, KW, I]), data_layout="NHWC", kernel_layout="OHWI")
        b = R.add(a, dq(bias: [O]))

    Elementwise operators, pooling, resize and operators with axes follow; constants are moved at
    compile time. Parameters and results keep their declared layout behind one permute_dims each.
    What needs the declared order (reshape, matmul) gets it from one permute_dims, in an island of
    its own where the value is quantized, or from a reshape where only axes of size 1 move.

    Requires: static shapes; functions of plain bindings (others are left as they are).
    Ensures: no operator in NCHW is left but conv2d_transpose, which Relax can legalize in no other
        layout: it stands between two permute_dims. Every value is the same, moved.
    Does nothing when: no layout-sensitive operator is in NCHW.
    """

    def transform_module(
        self, mod: tvm.IRModule, context: tvm.transform.PassContext
    ) -> tvm.IRModule:
        """Rewrite every function of `mod` into a new module."""
        changed = {
            var: _Rewriter(function).rewrite()
            for var, function in mod.functions.items()
            if isinstance(function, relax.Function) and _is_nchw(function)
        }
        if not changed:
            return mod
        result = (
            mod.clone() if hasattr(mod, "clone") else tvm.IRModule(mod.functions, attrs=mod.attrs)
        )
        for var, function in changed.items():
            result.update_func(var, function)
        return result


def _is_nchw(function: Any) -> bool:
    """Whether a function of plain bindings has a layout-sensitive operator in NCHW."""
    bound: dict[Any, Any] = {}
    found = False
    for block in function.body.blocks:
        for binding in block.bindings:
            if not isinstance(binding, relax.VarBinding):
                return False
            bound[binding.var] = binding.value
            found |= _is_sensitive(binding.value, bound)
    return found


def _is_sensitive(value: Any, bound: dict[Any, Any]) -> bool:
    name = _op_name(value)
    if name not in SENSITIVE or str(getattr(value.attrs, SENSITIVE[name])) != "NCHW":
        return False
    source = bound.get(value.args[0])
    if name != "relax.nn.conv2d_transpose" or _op_name(source) != "relax.permute_dims":
        return True
    axes: Any = source.attrs.axes if source is not None else None
    return axes is None or _ints(axes) != TO_NCHW


def _op_name(value: Any) -> str:
    is_operator = isinstance(value, relax.Call) and isinstance(value.op, tvm.ir.Op)
    return str(value.op.name) if is_operator else ""


def _ints(values: Any) -> tuple[int, ...]:
    """A tuple of integers from Relax attributes, shapes and inline tuples."""
    fields = values.fields if isinstance(values, relax.Tuple) else values
    return tuple(int(getattr(item, "value", item)) for item in fields)


def _shape(expr: Any) -> tuple[int, ...]:
    return tuple(int(dim) for dim in expr.ty.shape)


def _keeps_order(shape: Sequence[int], order: Sequence[int]) -> bool:
    """Whether permuting `shape` by `order` moves axes of size 1 only."""
    kept = [axis for axis in order if shape[axis] != 1]
    return kept == sorted(kept)


@dataclass(eq=False)
class _Value:
    """A computed value: as declared, permuted to NHWC, or both. `quantized`: scale, zero point."""

    plain: Any = None
    nhwc: Any = None
    quantized: tuple[Any, Any] | None = None

    @property
    def has_nhwc(self) -> bool:
        return self.nhwc is not None


@dataclass(eq=False)
class _Constant:
    """A constant, as declared."""

    array: Any
    has_nhwc = False


@dataclass(eq=False)
class _Dequantized:
    """A dequantize not yet emitted: every use emits its own."""

    source: _Value | _Constant
    scale: Any
    zero_point: Any
    axis: int
    call: Any

    @property
    def has_nhwc(self) -> bool:
        return self.source.has_nhwc


_Any = _Value | _Constant | _Dequantized


class _Rewriter:
    """Rebuilds one function, binding by binding."""

    def __init__(self, function: Any) -> None:
        self._function = function
        self._builder = relax.BlockBuilder()
        self._bindings: list[Any] = []
        self._values: dict[Any, _Any] = {param: _Value(param) for param in function.params}
        self._tuples: dict[Any, tuple[Any, bool]] = {}
        body = function.body.body
        self._results = list(body.fields) if isinstance(body, relax.Tuple) else [body]

    def rewrite(self) -> Any:
        """The function in NHWC."""
        bindings = [b for block in self._function.body.blocks for b in block.bindings]
        self._permute_parameters(bindings)
        for binding in bindings:
            self._rewrite_binding(binding.var, binding.value)
        results = [self._result(var) for var in self._results]
        is_tuple = isinstance(self._function.body.body, relax.Tuple)
        body = self._builder.normalize(relax.Tuple(results)) if is_tuple else results[0]
        seq = relax.SeqExpr([relax.DataflowBlock(self._bindings)], body)
        function = relax.Function(
            list(self._function.params), self._builder.normalize(seq), body.ty
        )
        return function.with_attrs(self._function.attrs) if self._function.attrs else function

    # Values in the layout that is asked for.

    def emit(self, call: Any, name: str = "", *, output: bool = False) -> Any:
        """Bind `call`; `output` variables stay visible behind the dataflow block."""
        expr = self._builder.normalize(call)
        kind = relax.Var if output else relax.DataflowVar
        var = kind(name or f"v{len(self._bindings)}", expr.ty)
        self._bindings.append(relax.VarBinding(var, expr))
        return var

    def find(self, expr: Any) -> _Any:
        """What is known of an operand of the old function."""
        if isinstance(expr, tvm.ir.GenericConst):
            return _Constant(expr.value.numpy())
        return self._values[expr]

    def plain(self, value: _Any) -> Any:
        """`value` in its declared layout."""
        if isinstance(value, _Constant):
            return relax.const(value.array)
        if isinstance(value, _Dequantized):
            return self._dequantize(self.plain(value.source), value, value.axis)
        if value.plain is None:
            value.plain = self._permuted(value.nhwc, TO_NCHW, value.quantized)
        return value.plain

    def nhwc(self, value: _Any) -> Any:
        """A 4-D value, or a constant that broadcasts to one, in NHWC."""
        if isinstance(value, _Constant):
            return relax.const(_moved(value.array)[0])
        if isinstance(value, _Dequantized):
            if isinstance(value.source, _Constant):
                array, axis = _moved(value.source.array, value.axis)
                return self._dequantize(relax.const(array), value, axis)
            axis = MOVED[value.axis] if value.axis >= 0 else value.axis
            return self._dequantize(self.nhwc(value.source), value, axis)
        if value.nhwc is None:
            value.nhwc = self._permuted(value.plain, TO_NHWC, value.quantized)
        return value.nhwc

    def _dequantize(self, source: Any, value: _Dequantized, axis: int) -> Any:
        dtype = str(value.call.attrs.out_dtype)
        call = relax.op.dequantize(source, value.scale, value.zero_point, axis, dtype)
        return self.emit(call)

    def _permuted(
        self, expr: Any, order: tuple[int, ...], quantized: tuple[Any, Any] | None, name: str = ""
    ) -> Any:
        """`expr` permuted, by an island of its own where it is quantized."""
        if quantized is not None:
            expr = self.emit(relax.op.dequantize(expr, *quantized, axis=-1))
        shape = _shape(expr)
        if _keeps_order(shape, order):
            moved = self.emit(relax.op.reshape(expr, [shape[axis] for axis in order]), name)
        else:
            moved = self.emit(relax.op.permute_dims(expr, order), name)
        if quantized is None:
            return moved
        dtype = str(quantized[1].ty.dtype)
        return self.emit(relax.op.quantize(moved, *quantized, axis=-1, out_dtype=dtype))

    # The function's edges.

    def _permute_parameters(self, bindings: list[Any]) -> None:
        """One permute_dims at the start for each parameter that reaches a sensitive operator."""
        wanted: set[Any] = set()
        for binding in reversed(bindings):
            name = _op_name(binding.value)
            if name in SENSITIVE and str(getattr(binding.value.attrs, SENSITIVE[name])) == "NCHW":
                wanted.add(binding.value.args[0])
            elif binding.var in wanted and name in HANDLERS and name not in REORDERING:
                wanted.update(_operands(binding.value))
        for param in self._function.params:
            if param in wanted and len(_shape(param)) == 4:
                permuted = self._permuted(param, TO_NHWC, None, f"{param.name}_nhwc")
                self._values[param] = _Value(param, permuted)

    def _result(self, expr: Any) -> Any:
        """A result in its declared layout, bound to a variable that outlives the block."""
        value = self.find(expr)
        name = expr.name if isinstance(expr, relax.Var) else ""
        if isinstance(value, _Dequantized) and value.has_nhwc:
            value = _Value(nhwc=self.nhwc(value))
        if isinstance(value, _Value) and value.plain is None:
            shape = _shape(value.nhwc)
            target = [shape[axis] for axis in TO_NCHW]
            moved = (
                relax.op.reshape(value.nhwc, target)
                if _keeps_order(shape, TO_NCHW)
                else relax.op.permute_dims(value.nhwc, TO_NCHW)
            )
            value.plain = self.emit(moved, f"{name}_nchw", output=True)
            return value.plain
        if isinstance(value, _Dequantized):
            bound = self.plain(value)
            call = self._bindings.pop().value
            return self.emit(call, name or bound.name, output=True)
        result = self.plain(value)
        outlives = isinstance(result, relax.Var) and not isinstance(result, relax.DataflowVar)
        return result if outlives else self.emit(result, name, output=True)

    # Bindings.

    def _rewrite_binding(self, var: Any, value: Any) -> None:
        output = any(var.same_as(result) for result in self._results)
        if isinstance(value, relax.TupleGetItem) and value.tuple_value in self._tuples:
            source, in_nhwc = self._tuples[value.tuple_value]
            item = self.emit(relax.TupleGetItem(source, value.index), var.name, output=output)
            self._values[var] = _Value(nhwc=item) if in_nhwc else _Value(item)
            return
        if isinstance(value, (relax.Var, tvm.ir.GenericConst)):
            self._values[var] = self.find(value)
            return
        handler = HANDLERS.get(_op_name(value))
        result = handler(self, value) if handler is not None else None
        if result is None:
            result = _Value(self._copy(value))
        if not isinstance(result, _Value):
            self._values[var] = result
            return
        self._name_last(result, var.name, output=output)
        if isinstance(value.ty, tvm.ir.TupleType):
            self._tuples[var] = (result.nhwc or result.plain, result.nhwc is not None)
        self._values[var] = result

    def _copy(self, value: Any) -> Any:
        """The same operation on operands in their declared layouts; returns the new expression."""
        if isinstance(value, relax.Call):
            return relax.Call(
                value.op, [self._argument(arg) for arg in value.args], value.attrs, value.ty_args
            )
        return self._argument(value)

    def _argument(self, arg: Any) -> Any:
        if isinstance(arg, relax.Tuple):
            return relax.Tuple([self._argument(field) for field in arg.fields])
        if isinstance(arg, relax.Var) and arg in self._tuples:
            return self._tuples[arg][0]
        if isinstance(arg, (relax.Var, tvm.ir.GenericConst)):
            return self.plain(self.find(arg))
        return arg

    def _name_last(self, result: _Value, name: str, *, output: bool) -> None:
        """Bind what a handler returned (a call, or a variable it knows) under the old name."""
        for form in ("plain", "nhwc"):
            expr = getattr(result, form)
            if expr is not None and not isinstance(expr, relax.Var):
                setattr(result, form, self.emit(expr, name, output=output))


def _operands(call: Any) -> list[Any]:
    """Variables a call reads, also inside tuples."""
    found = []
    for arg in call.args:
        fields = arg.fields if isinstance(arg, relax.Tuple) else [arg]
        found += [field for field in fields if isinstance(field, relax.Var)]
    return found


def _moved(array: Any, axis: int = -1) -> tuple[Any, int]:
    """A constant that broadcasts in NCHW, in NHWC, and where its quantization axis went.

    int32 constants are biases: of [1, 1, 1, C] only [C] is kept, axis 0.
    """
    if array.size == 1:
        return (array.reshape(()) if axis < 0 else array.reshape(-1)), (axis if axis < 0 else 0)
    missing = 4 - array.ndim
    moved = np.ascontiguousarray(array.reshape((1,) * missing + array.shape).transpose(TO_NHWC))
    axis = MOVED[axis + missing] if axis >= 0 else axis
    if array.dtype == np.int32 and moved.size == moved.shape[3]:
        return moved.reshape(-1), (0 if axis >= 0 else axis)
    return moved, axis


# Handlers: new calls from old ones; None where the declared layout is right.


def _dequantize(rewriter: _Rewriter, call: Any) -> _Any | None:
    source = rewriter.find(call.args[0])
    if isinstance(source, _Dequantized):
        return None
    axis = int(call.attrs.axis)
    scale, zero_point = call.args[1:3]
    if not all(isinstance(part, tvm.ir.GenericConst) for part in (scale, zero_point)):
        return None
    # One scale needs no axis; TVM's frontend gives such a scale an axis and the shape (1,).
    single = int(np.prod(scale.ty.shape, initial=1)) == 1
    rank = len(_shape(call.args[0]))
    axis = -1 if single else axis % rank
    if single:
        scale, zero_point = (
            relax.const(part.value.numpy().reshape(-1)[0]) for part in (scale, zero_point)
        )
    return _Dequantized(source, scale, zero_point, axis, call)


def _quantize(rewriter: _Rewriter, call: Any) -> _Value | None:
    value = rewriter.find(call.args[0])
    scale, zero_point = call.args[1:3]
    if any(int(np.prod(part.ty.shape, initial=1)) != 1 for part in (scale, zero_point)):
        return None
    if all(isinstance(part, tvm.ir.GenericConst) for part in (scale, zero_point)):
        scale, zero_point = (
            relax.const(part.value.numpy().reshape(-1)[0]) for part in (scale, zero_point)
        )
    form = "nhwc" if value.has_nhwc else "plain"
    source = rewriter.nhwc(value) if value.has_nhwc else rewriter.plain(value)
    dtype = str(call.attrs.out_dtype)
    result = relax.op.quantize(source, scale, zero_point, axis=-1, out_dtype=dtype)
    return _Value(**{form: result}, quantized=(scale, zero_point))


def _elementwise(rewriter: _Rewriter, call: Any) -> _Value | None:
    """Operators without axes: run in NHWC if any operand is there and all can be."""
    operands = [a for a in call.args if isinstance(a, (relax.Var, tvm.ir.GenericConst))]
    values = [rewriter.find(operand) for operand in operands]
    if not any(value.has_nhwc for value in values):
        return None
    fits = [
        len(_shape(operand)) == 4 or _is_constant(value)
        for operand, value in zip(operands, values, strict=True)
    ]
    if not all(fits):
        return None
    moved = iter([rewriter.nhwc(value) for value in values])
    args = [
        next(moved) if isinstance(arg, (relax.Var, tvm.ir.GenericConst)) else arg
        for arg in call.args
    ]
    return _Value(nhwc=relax.Call(call.op, args, call.attrs, call.ty_args))


def _is_constant(value: _Any) -> bool:
    if isinstance(value, _Dequantized):
        return isinstance(value.source, _Constant)
    return isinstance(value, _Constant)


def _kernel(rewriter: _Rewriter, expr: Any) -> Any:
    """A kernel [O, I, KH, KW] as [O, KH, KW, I]."""
    value = rewriter.find(expr)
    source = value.source if isinstance(value, _Dequantized) else value
    if not isinstance(source, _Constant):
        return rewriter.emit(relax.op.permute_dims(rewriter.plain(value), TO_NHWC))
    moved = _Constant(np.ascontiguousarray(source.array.transpose(TO_NHWC)))
    if not isinstance(value, _Dequantized):
        return rewriter.plain(moved)
    axis = MOVED[value.axis] if value.axis >= 0 else value.axis
    return rewriter.plain(_Dequantized(moved, value.scale, value.zero_point, axis, value.call))


def _conv2d(rewriter: _Rewriter, call: Any) -> _Value | None:
    attrs = call.attrs
    if (str(attrs.data_layout), str(attrs.kernel_layout)) != ("NCHW", "OIHW"):
        return None
    data, kernel = rewriter.nhwc(rewriter.find(call.args[0])), _kernel(rewriter, call.args[1])
    return _Value(
        nhwc=relax.op.nn.conv2d(
            data,
            kernel,
            strides=_ints(attrs.strides),
            padding=_ints(attrs.padding),
            dilation=_ints(attrs.dilation),
            groups=int(attrs.groups),
            data_layout="NHWC",
            kernel_layout="OHWI",
            out_dtype=attrs.out_dtype,
        )
    )


def _conv2d_transpose(rewriter: _Rewriter, call: Any) -> _Value | None:
    if str(call.attrs.data_layout) != "NCHW":
        return None
    data = rewriter.nhwc(rewriter.find(call.args[0]))
    data = rewriter.emit(relax.op.permute_dims(data, TO_NCHW))
    kernel = rewriter.plain(rewriter.find(call.args[1]))
    result = rewriter.emit(relax.Call(call.op, [data, kernel], call.attrs, call.ty_args))
    return _Value(nhwc=relax.op.permute_dims(result, TO_NHWC))


def _pool(rewriter: _Rewriter, call: Any) -> _Value | None:
    attrs = call.attrs
    if str(attrs.layout) != "NCHW":
        return None
    make = {
        "relax.nn.max_pool2d": relax.op.nn.max_pool2d,
        "relax.nn.avg_pool2d": relax.op.nn.avg_pool2d,
    }[call.op.name]
    return _Value(
        nhwc=make(
            rewriter.nhwc(rewriter.find(call.args[0])),
            pool_size=_ints(attrs.pool_size),
            strides=_ints(attrs.strides),
            padding=_ints(attrs.padding),
            dilation=_ints(attrs.dilation),
            ceil_mode=bool(attrs.ceil_mode),
            count_include_pad=bool(attrs.count_include_pad),
            layout="NHWC",
        )
    )


def _adaptive_pool(rewriter: _Rewriter, call: Any) -> _Value | None:
    if str(call.attrs.layout) != "NCHW":
        return None
    size = None if call.attrs.output_size is None else _ints(call.attrs.output_size)
    data = rewriter.nhwc(rewriter.find(call.args[0]))
    return _Value(nhwc=relax.op.nn.adaptive_avg_pool2d(data, size, "NHWC"))


def _resize2d(rewriter: _Rewriter, call: Any) -> _Value | None:
    attrs = call.attrs
    if str(attrs.layout) != "NCHW":
        return None
    return _Value(
        nhwc=relax.op.image.resize2d(
            rewriter.nhwc(rewriter.find(call.args[0])),
            _ints(call.args[1]),
            roi=[float(getattr(item, "value", item)) for item in attrs.roi],
            layout="NHWC",
            method=attrs.method,
            coordinate_transformation_mode=attrs.coordinate_transformation_mode,
            rounding_method=attrs.rounding_method,
            cubic_alpha=float(attrs.cubic_alpha),
            cubic_exclude=int(attrs.cubic_exclude),
            extrapolation_value=float(attrs.extrapolation_value),
        )
    )


def _prelu(rewriter: _Rewriter, call: Any) -> _Value | None:
    data = rewriter.find(call.args[0])
    if not data.has_nhwc:
        return None
    axis = MOVED[int(call.attrs.axis) % 4]
    slopes = rewriter.plain(rewriter.find(call.args[1]))
    return _Value(nhwc=relax.op.nn.prelu(rewriter.nhwc(data), slopes, axis))


def _reduction(rewriter: _Rewriter, call: Any) -> _Value | None:
    """mean, sum, max, min, argmax: in NHWC unless the axes that stay would change their order."""
    data = rewriter.find(call.args[0])
    if not data.has_nhwc or call.attrs.axis is None:
        return None
    one = isinstance(call.attrs.axis, (int, tvm.tirx.IntImm))
    axes = [axis % 4 for axis in (_ints([call.attrs.axis]) if one else _ints(call.attrs.axis))]
    keep = bool(call.attrs.keepdims)
    shape = _shape(call.args[0])
    stay = [axis for axis in TO_NHWC if axis not in axes and shape[axis] != 1]
    if not keep and stay != sorted(stay):
        return None
    moved = sorted(MOVED[axis] for axis in axes)
    make = getattr(relax.op, call.op.name.removeprefix("relax."))
    result = make(rewriter.nhwc(data), moved[0] if one else moved, keepdims=keep)
    return _Value(nhwc=result) if keep else _Value(_reordered(rewriter, result, call))


def _reordered(rewriter: _Rewriter, result: Any, call: Any) -> Any:
    """`result`, reshaped where axes of size 1 stand in another order."""
    wanted = _shape(call)
    bound = rewriter._builder.normalize(result)
    if _shape(bound) == wanted:
        return result
    return relax.op.reshape(rewriter.emit(result), wanted)


def _softmax(rewriter: _Rewriter, call: Any) -> _Value | None:
    data = rewriter.find(call.args[0])
    if not data.has_nhwc:
        return None
    axis = MOVED[int(call.attrs.axis) % 4]
    make = getattr(relax.op.nn, call.op.name.removeprefix("relax.nn."))
    return _Value(nhwc=make(rewriter.nhwc(data), -1 if axis == 3 else axis))


def _concat(rewriter: _Rewriter, call: Any) -> _Value | None:
    if not isinstance(call.args[0], relax.Tuple):
        return None
    values = [rewriter.find(field) for field in call.args[0].fields]
    if not any(value.has_nhwc for value in values) or call.attrs.axis is None:
        return None
    parts = [
        rewriter.nhwc(value) if not _is_constant(value) else _whole_constant(rewriter, value)
        for value in values
    ]
    return _Value(nhwc=relax.op.concat(parts, MOVED[int(call.attrs.axis) % 4]))


def _whole_constant(rewriter: _Rewriter, value: _Any) -> Any:
    """A 4-D constant in NHWC with all its axes (`_moved` drops those that broadcast)."""
    return rewriter.emit(relax.op.permute_dims(rewriter.plain(value), TO_NHWC))


def _split(rewriter: _Rewriter, call: Any) -> _Value | None:
    data = rewriter.find(call.args[0])
    if not data.has_nhwc:
        return None
    sections = call.attrs.indices_or_sections
    parts = int(sections) if isinstance(sections, (int, tvm.tirx.IntImm)) else list(_ints(sections))
    return _Value(nhwc=relax.op.split(rewriter.nhwc(data), parts, MOVED[int(call.attrs.axis) % 4]))


def _pad(rewriter: _Rewriter, call: Any) -> _Value | None:
    data = rewriter.find(call.args[0])
    if not data.has_nhwc:
        return None
    pairs = np.asarray(_ints(call.attrs.pad_width)).reshape(4, 2)[list(TO_NHWC)]
    widths = [int(width) for width in pairs.reshape(-1)]
    value = float(call.attrs.pad_value)
    return _Value(nhwc=relax.op.nn.pad(rewriter.nhwc(data), widths, call.attrs.pad_mode, value))


def _strided_slice(rewriter: _Rewriter, call: Any) -> _Value | None:
    data = rewriter.find(call.args[0])
    if not data.has_nhwc:
        return None
    axes = [MOVED[axis % 4] for axis in _ints(call.args[1])]
    bounds = [_ints(arg) for arg in call.args[2:]]
    inbound = bool(call.attrs.assume_inbound)
    result = relax.op.strided_slice(rewriter.nhwc(data), axes, *bounds, assume_inbound=inbound)
    return _Value(nhwc=result)


def _reshape(rewriter: _Rewriter, call: Any) -> _Any | None:
    """reshape, squeeze, expand_dims, flatten: constants at compile time; NHWC where order stays."""
    value = rewriter.find(call.args[0])
    wanted = _shape(call)
    if _is_constant(value):
        return _reshaped_constant(value, wanted)
    if value.has_nhwc and _keeps_order(_shape(call.args[0]), TO_NHWC):
        return _Value(relax.op.reshape(rewriter.nhwc(value), wanted))
    return None


def _reshaped_constant(value: _Any, shape: tuple[int, ...]) -> _Any | None:
    if isinstance(value, _Constant):
        return _Constant(value.array.reshape(shape))
    if not isinstance(value, _Dequantized) or not isinstance(value.source, _Constant):
        return None
    array, axis = value.source.array, value.axis
    if axis >= 0:
        sizes = [i for i, n in enumerate(shape) if n == array.shape[axis]]
        before = int(np.prod(array.shape[:axis], initial=1))
        fits = [i for i in sizes if int(np.prod(shape[:i], initial=1)) == before]
        if not fits:
            return None
        axis = fits[-1]
    moved = _Constant(array.reshape(shape))
    return _Dequantized(moved, value.scale, value.zero_point, axis, value.call)


def _permute_dims(rewriter: _Rewriter, call: Any) -> _Any | None:
    """An explicit transpose: it may be the one to or from NHWC, and then costs nothing."""
    value = rewriter.find(call.args[0])
    if len(_shape(call.args[0])) != 4 or _is_constant(value):
        return None
    axes = _ints(call.attrs.axes) if call.attrs.axes is not None else (3, 2, 1, 0)
    if value.has_nhwc:
        composed = tuple(MOVED[axis] for axis in axes)
        source = rewriter.nhwc(value)
        if composed == (0, 1, 2, 3):
            return _Value(source)
        return _Value(relax.op.permute_dims(source, composed))
    if axes == TO_NCHW:
        return _Value(nhwc=rewriter.plain(value))
    return None


HANDLERS: dict[str, Callable[[_Rewriter, Any], _Any | None]] = {
    "relax.dequantize": _dequantize,
    "relax.quantize": _quantize,
    **{f"relax.{name}": _elementwise for name in (*BINARY, *UNARY)},
    **dict.fromkeys(("relax.clip", "relax.nn.leakyrelu", "relax.astype"), _elementwise),
    "relax.nn.conv2d": _conv2d,
    "relax.nn.conv2d_transpose": _conv2d_transpose,
    **dict.fromkeys(POOLS, _pool),
    "relax.nn.adaptive_avg_pool2d": _adaptive_pool,
    "relax.image.resize2d": _resize2d,
    "relax.nn.prelu": _prelu,
    **{f"relax.{name}": _reduction for name in ("mean", "sum", "max", "min", "argmax")},
    **dict.fromkeys(("relax.nn.softmax", "relax.nn.log_softmax"), _softmax),
    "relax.concat": _concat,
    "relax.split": _split,
    "relax.nn.pad": _pad,
    "relax.strided_slice": _strided_slice,
    **dict.fromkeys(REORDERING, _reshape),
    "relax.permute_dims": _permute_dims,
}
