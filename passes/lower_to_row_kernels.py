"""LowerToRowKernels: integer operators become calls of stages, stages loops of row kernels."""

from __future__ import annotations

import math

import tvm
from tvm import relax, s_tir, tirx
from tvm.ir import Call, GlobalVar, IRModule, PrimType

from tvm_tiny.schedules import kernel as kernels
from tvm_tiny.schedules import portable  # noqa: F401  registers the row kernels

from .lower_tir import lower_prim_func, to_pointer_abi

# tvm::CallingConv::kCPackedFunc: "has its final C signature already". It keeps TVM's
# MakePackedAPI from wrapping a function that only other TIR functions call.
_FINAL_SIGNATURE = 1


def _flat_type(param: tirx.Var) -> tuple[tuple[int, ...], str]:
    return tuple(int(d) for d in param.shape), str(param.dtype)


def _stage(row: GlobalVar, kernel: kernels.RowKernel, shapes: list[kernels.Spec]) -> tirx.PrimFunc:
    """The loop that runs one operator layer by layer: every row in order, whole tensors."""
    buffers = [tirx.decl_buffer(s, d, f"p{k}") for k, (s, d) in enumerate(shapes)]
    index = tirx.Var("row", "int32")
    invoke = Call(row, [*(b.data for b in buffers), index], ret_ty=PrimType("int32"))
    loop = tirx.For(index, 0, kernel.rows, tirx.ForKind.SERIAL, tirx.Evaluate(invoke))
    # Relax's analyses expect a root block around a function's body.
    root = s_tir.SBlockRealize([], True, s_tir.SBlock([], [], [], "root", loop))
    attrs = tvm.ir.make_node(
        "ir.DictAttrs", **{"tirx.noalias": True, "s_tir": True, "tvm_tiny.stage": True}
    )
    return tirx.PrimFunc(buffers, root, None, attrs)


def emit_stage(builder: relax.BlockBuilder, call: Call) -> Call:
    """Add the row kernel and the stage of `call` to the builder's module; answer its call_tir.

    Functions of equal structure are added once: BlockBuilder.add_func compares them.
    """
    factory = kernels.lookup(call)
    assert factory is not None, f"no row kernel for {call.op}"
    kernel = factory(call)
    name = call.op.name.removeprefix("tvm_tiny.")
    operands = [*call.args, *(relax.const(c) for c in kernel.constants)]
    row = to_pointer_abi(lower_prim_func(kernel.func)).with_attr("calling_conv", _FINAL_SIGNATURE)
    row_var = builder.add_func(row.with_attr("tvm_tiny.row_kernel", True), f"{name}_row")
    specs = [kernels.spec(arg) for arg in operands] + [kernels.spec(call)]
    assert [math.prod(s) for s, _ in specs] == [
        math.prod(_flat_type(p)[0]) for p in kernel.func.params[:-1]
    ], f"row kernel of {name} does not fit its operands"
    stage_var = builder.add_func(_stage(row_var, kernel, specs), name)
    return relax.op.call_tir(stage_var, operands, call.ty)
