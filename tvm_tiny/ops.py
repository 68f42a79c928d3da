"""tvm_tiny's integer operators, registered with Relax.

LowerQDQ turns each island of a QDQ module into one of these. They are ordinary Relax operators:
type inference checks them, and LegalizeOps lowers them to the row kernels that become C
(`tvm_tiny.lowering.emit_layer`), so a module that holds them runs on the host's virtual machine
and gives the same bytes.

Attributes are plain integers (a `DictAttrs`); per-channel arrays are constant operands. All
activations are int8, biases, multipliers and shifts int32; layouts NHWC and OHWI.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tvm
from tvm import relax
from tvm.ir import Call, Op, register_op_attr

Shape = tuple[int, ...]
InferShape = Callable[[Call, list[Shape]], Sequence[int]]


def _spatial(size: int, kernel: int, stride: int, dilation: int, before: int, after: int) -> int:
    return (size + before + after - dilation * (kernel - 1) - 1) // stride + 1


def _window(x: Shape, kernel: Sequence[int], call: Call, channels: int) -> Shape:
    """Output shape of a sliding window over NHWC data."""
    attrs = call.attrs
    top, left, bottom, right = (int(v) for v in attrs["padding"])
    sh, sw = (int(v) for v in attrs["strides"])
    dh, dw = (int(v) for v in attrs["dilation"]) if "dilation" in attrs else (1, 1)
    return (
        x[0],
        _spatial(x[1], kernel[0], sh, dh, top, bottom),
        _spatial(x[2], kernel[1], sw, dw, left, right),
        channels,
    )


def _conv2d(call: Call, shapes: list[Shape]) -> Shape:
    return _window(shapes[0], shapes[1][1:3], call, shapes[1][0])


def _pool2d(call: Call, shapes: list[Shape]) -> Shape:
    kernel = [int(v) for v in call.attrs["pool_size"]]
    return _window(shapes[0], kernel, call, shapes[0][3])


def _declared(call: Call, shapes: list[Shape]) -> Shape:
    return tuple(int(v) for v in call.attrs["shape"])


def _same(call: Call, shapes: list[Shape]) -> Shape:
    return shapes[0]


def _broadcast(call: Call, shapes: list[Shape]) -> Shape:
    return np.broadcast_shapes(shapes[0], shapes[1])


def _broadcast_all(call: Call, shapes: list[Shape]) -> Shape:
    return np.broadcast_shapes(*shapes[:-1])


def _broadcast_3(call: Call, shapes: list[Shape]) -> Shape:
    return np.broadcast_shapes(*shapes[:3])


def _dense(call: Call, shapes: list[Shape]) -> Shape:
    return (*shapes[0][:-1], shapes[1][0])


def _matmul(call: Call, shapes: list[Shape]) -> Shape:
    a, b = shapes[:2]
    return (*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1])


def _transpose(call: Call, shapes: list[Shape]) -> Shape:
    return tuple(shapes[0][int(a)] for a in call.attrs["axes"])


def _concat(call: Call, shapes: list[Shape]) -> Shape:
    axis = int(call.attrs["axis"])
    total = sum(shape[axis] for shape in shapes)
    return (*shapes[0][:axis], total, *shapes[0][axis + 1 :])


def _channels(call: Call, shapes: list[Shape]) -> Shape:
    return (1, 1, 1, shapes[0][-1])


def _resize(call: Call, shapes: list[Shape]) -> Shape:
    return (shapes[0][0], shapes[1][0], shapes[2][0], shapes[0][3])


# Shape inference and result dtype of each operator. The dtype is a name, None for that of the
# attribute "dtype", or the number of an operand whose dtype it is.
_OPERATORS: dict[str, tuple[InferShape, str | int | None]] = {
    "argmax": (_declared, None),
    "argmin": (_declared, None),
    "broadcast_to": (_declared, 0),
    "compare": (_broadcast, "bool"),
    "concat": (_concat, "int8"),
    "copy": (_same, None),
    "dequantize": (_same, "float32"),
    "gather": (_declared, 0),
    "gather_fixed": (_declared, 0),
    "lut": (_same, 1),
    "packed.qadd": (_same, "int8"),
    "packed.qconv2d": (_declared, "int8"),
    "packed.qdense": (_declared, "int8"),
    "packed.qdepthwise": (_declared, "int8"),
    "pad": (_declared, "int8"),
    "push": (_same, 0),
    "qadd": (_broadcast, "int8"),
    "qadd_n": (_broadcast_all, "int8"),
    "qavg_of_sums": (_declared, "int8"),
    "qavg_pool2d": (_pool2d, "int8"),
    "qavg_pool2d_rescaled": (_pool2d, "int8"),
    "qbatch_matmul": (_matmul, "int8"),
    "qconv2d": (_conv2d, "int8"),
    "qconv2d_transpose": (_declared, "int8"),
    "qdense": (_dense, "int8"),
    "qdepthwise_planes": (_same, "int8"),
    "qdivide": (_broadcast, "int8"),
    "ql2_normalize": (_same, "int8"),
    "qlog_softmax": (_same, "int8"),
    "qlog_softmax_rescaled": (_same, "int8"),
    "qmax_pool2d": (_pool2d, "int8"),
    "qmaximum": (_broadcast, "int8"),
    "qmean": (_declared, "int8"),
    "qmean_of_sums": (_declared, "int8"),
    "qminimum": (_broadcast, "int8"),
    "qmultiply": (_broadcast, "int8"),
    "qnormalize": (_same, "int8"),
    "qprelu": (_same, "int8"),
    "qprelu_float32": (_same, "int8"),
    "qreduce_max": (_declared, "int8"),
    "qreduce_min": (_declared, "int8"),
    "qsoftmax": (_same, "int8"),
    "qsoftmax_rescaled": (_same, "int8"),
    "qsquared_difference": (_broadcast, "int8"),
    "qsubtract": (_broadcast, "int8"),
    "quantize": (_same, "int8"),
    "resize_bilinear": (_resize, "int8"),
    "resize_nearest": (_resize, "int8"),
    "row_sums": (_channels, "int32"),
    "select": (_broadcast_3, 1),
    "strided_slice": (_declared, "int8"),
    "transpose": (_transpose, "int8"),
}

OPERATORS: tuple[str, ...] = tuple(f"tvm_tiny.{name}" for name in sorted(_OPERATORS))


def call(name: str, args: Sequence[relax.Expr], **attrs: Any) -> Call:
    """A call of `tvm_tiny.<name>`; attributes are ints, floats, strings or lists of ints."""
    return Call(f"tvm_tiny.{name}", list(args), attrs)


def _infer_type(
    infer: InferShape, dtype: str | int | None
) -> Callable[[Call, Any], relax.TensorType]:
    def infer_type(call_: Call, builder: Any) -> relax.TensorType:
        shapes = [tuple(int(d) for d in arg.ty.shape) for arg in call_.args]
        result = str(call_.attrs["dtype"]) if dtype is None else dtype
        result = str(call_.args[result].ty.dtype) if isinstance(result, int) else result
        return relax.TensorType([int(d) for d in infer(call_, shapes)], result)

    return infer_type


def _register(name: str, infer: InferShape, dtype: str | int | None) -> None:
    full_name = f"tvm_tiny.{name}"
    if full_name in Op.list_op_names():
        return
    tvm.ir._ffi_api.RegisterOp(full_name, "integer operator of tvm_tiny")
    register_op_attr(full_name, "FInferType", _infer_type(infer, dtype))
    register_op_attr(full_name, "FPurity", True)


for _name, (_infer, _dtype) in _OPERATORS.items():
    _register(_name, _infer, _dtype)
