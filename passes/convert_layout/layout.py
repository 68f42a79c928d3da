"""The pass ConvertLayout, and the table of operators that it can move to NHWC."""

from __future__ import annotations

import tvm
from tvm import relax

from tvm_tiny.reference.real import FUNCTIONS

from ..qdq_form import check_qdq_form
from . import axes, elementwise, shapes, windows
from .emitter import Handlers
from .rewriter import REORDERING, Rewriter
from .sensitive import ADAPTIVE, CONVOLUTIONS, POOLS, TRANSPOSED, is_nchw

REDUCTIONS = ("mean", "sum", "max", "min", "argmax", "argmin")
CHOICES = (
    *("equal", "greater", "greater_equal", "less", "less_equal", "not_equal", "where"),
    *("logical_and", "logical_or", "logical_not", "logical_xor"),
)
WITHOUT_AXES = ("astype", *CHOICES, *FUNCTIONS)
ELEMENTWISE = [f"relax.{room}{name}" for name in WITHOUT_AXES for room in ("", "nn.")]
HANDLERS: Handlers = {
    "relax.dequantize": elementwise.dequantize,
    "relax.quantize": elementwise.quantize,
    **dict.fromkeys(ELEMENTWISE, elementwise.without_axes),
    **dict.fromkeys(CONVOLUTIONS, windows.conv),
    **dict.fromkeys(TRANSPOSED, windows.conv_transpose),
    **dict.fromkeys(POOLS, windows.pool),
    **dict.fromkeys(ADAPTIVE, windows.adaptive_pool),
    "relax.image.resize2d": windows.resize2d,
    "relax.nn.prelu": elementwise.prelu,
    **{f"relax.{name}": axes.reduction for name in REDUCTIONS},
    **dict.fromkeys(("relax.nn.softmax", "relax.nn.log_softmax"), axes.softmax),
    "relax.concat": axes.concat,
    "relax.split": axes.split,
    "relax.nn.pad": axes.pad,
    "relax.strided_slice": axes.strided_slice,
    "relax.tile": axes.tile,
    "relax.take": axes.take,
    "relax.broadcast_to": axes.broadcast_to,
    **dict.fromkeys(REORDERING, shapes.reshape),
    "relax.permute_dims": shapes.permute_dims,
}


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.ConvertLayout")
class ConvertLayout:
    """Give every image the layout NHWC and every convolution kernel OHWI.

    Before::

        a = R.nn.conv2d(dq(x), dq(w: [O, I, KH, KW]), data_layout="NCHW", kernel_layout="OIHW")
        b = R.add(a, R.reshape(dq(bias: [O]), [1, O, 1, 1]))

    After::

        x_nhwc = R.permute_dims(x, [0, 2, 3, 1])
        a = R.nn.conv2d(dq(x_nhwc), dq(w: [O, KH, KW, I]), data_layout="NHWC", kernel_layout="OHWI")
        b = R.add(a, dq(bias: [O]))

    A sequence [N, C, L] becomes the image [N, L, 1, C]: one-dimensional operators become
    two-dimensional ones, and each row is one point in time. Elementwise operators, pooling, resize
    and operators with axes move along; constants are moved at compile time. Parameters and results
    keep their declared layout, with one permute_dims each. An operator that needs the declared
    order (reshape, matmul) reads it through one permute_dims, between a dequantize and a quantize
    where the value is quantized, or through a reshape where only axes of size 1 move.

    Requires: static shapes; functions of plain bindings (others are left as they are).
    Ensures: the only operator left in NCHW or NCW is conv2d_transpose, between two permute_dims,
        since Relax can legalize it in no other layout. All values are the same, in a new order.
    Does nothing when: no layout-sensitive operator is in NCHW or NCW.
    """

    def transform_module(
        self, mod: tvm.IRModule, context: tvm.transform.PassContext
    ) -> tvm.IRModule:
        """Rewrite every function of `mod` into a new module."""
        check_qdq_form(mod)
        functions = dict(mod.functions.items())
        changed = {
            var: Rewriter(function, HANDLERS).rewrite()
            for var, function in functions.items()
            if isinstance(function, relax.Function) and is_nchw(function)
        }
        if not changed:
            return mod
        return tvm.IRModule({**functions, **changed}, mod.attrs, mod.global_infos)
