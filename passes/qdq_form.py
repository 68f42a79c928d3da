"""Checks that a module is in the QDQ form that the passes expect."""

from __future__ import annotations

import tvm
from tvm import relax
from tvm.ir import Call, GenericConst, IRModule

from tvm_tiny.errors import DataError, UnsupportedError
from tvm_tiny.interface import ROUNDING
from tvm_tiny.lowering.memory_plan import ATTRIBUTE as MEMORY_PLAN
from tvm_tiny.relax_rewrite import bindings_of

_PRODUCTS = ("relax.nn.conv", "relax.matmul")
_PIPELINE = "give tvm_tiny the module as it was before"


def check_qdq_form(mod: IRModule) -> None:
    """Raise an error where other passes have changed a module too far.

    DataError: there is no main, or it is compiled already. UnsupportedError: TVM's LegalizeOps has
    replaced its operators, or FoldConstant has dequantized its weights.
    """
    main = _main(mod)
    if main.attrs and MEMORY_PLAN in main.attrs:
        raise DataError(f"module: it has been through tvm_tiny's passes already; {_PIPELINE}")
    names: dict[relax.Var, str] = {b.var: _name(b.value) for b in bindings_of(main)}
    # Float weights are no sign of FoldConstant in a module from ONNX, where the model may have
    # them itself, nor where another constant is still dequantized.
    may_be_float = (bool(main.attrs) and ROUNDING in main.attrs) or any(
        _name(b.value) == "relax.dequantize" and isinstance(b.value.args[0], GenericConst)
        for b in bindings_of(main)
    )
    for binding in bindings_of(main):
        if _is_legalized(binding.value):
            raise UnsupportedError(
                f"tensor '{binding.var.name}': its quantization is a call of TIR, not an operator, "
                f"as TVM's LegalizeOps leaves it; {_PIPELINE}"
            )
        if not may_be_float and _has_folded_weights(binding.value, names):
            raise UnsupportedError(
                f"{names[binding.var].removeprefix('relax.')} (tensor '{binding.var.name}'): its "
                "input is quantized and its weights are float constants, as TVM's FoldConstant "
                f"leaves them; {_PIPELINE}"
            )


def _main(mod: IRModule) -> relax.Function:
    if not any(var.name_hint == "main" for var in mod.functions):
        raise DataError("module: it has no function 'main'")
    if not isinstance(mod["main"], relax.Function):
        raise DataError("module: its 'main' is no function of Relax")
    return mod["main"]


def _is_legalized(value: tvm.ir.Expr) -> bool:
    """Whether `value` calls a TIR kernel of quantize or dequantize.

    Other kernels may be a user's own.
    """
    is_kernel = _name(value) == "relax.call_tir"
    return is_kernel and value.args[0].name_hint.startswith(("quantize", "dequantize"))


def _has_folded_weights(value: tvm.ir.Expr, names: dict[relax.Var, str]) -> bool:
    if not _name(value).startswith(_PRODUCTS):
        return False
    data, weights = value.args[:2]
    quantized = names.get(data, _name(data)) == "relax.dequantize"
    is_float = isinstance(weights, GenericConst) and str(weights.ty.dtype).startswith("float")
    return quantized and is_float


def _name(value: tvm.ir.Expr) -> str:
    return str(getattr(value.op, "name", "")) if isinstance(value, Call) else ""


def check_lowered_qdq(mod: IRModule) -> None:
    """Raise DataError where a quantize or dequantize is left that LowerQDQ would lower."""
    for binding in bindings_of(mod["main"]):
        if _name(binding.value) not in ("relax.quantize", "relax.dequantize"):
            continue
        scale = binding.value.args[1]
        if isinstance(scale, GenericConst) and scale.value.numpy().size == 1:
            raise DataError(
                f"LowerToRowKernels: tensor '{binding.var.name}' is still in the form of quantize "
                "and dequantize; run LowerQDQ before it, or all of tvm_tiny.pipeline()"
            )
