"""TIR down to what the C printer takes: flat buffers, plain loops, pointers for parameters."""

from __future__ import annotations

from collections.abc import Sequence

import tvm_ffi
from tvm import tirx
from tvm.ir import Call, Expr, IRModule, PointerType, PrimType
from tvm.s_tir import transform as s_tir
from tvm.target import Target
from tvm.tirx import transform as tir
from tvm.tirx.buffer import BufferType

# Blocks to loops, buffers to one dimension, 32-bit indices, and tidying. MakePackedAPI and
# LowerTVMBuiltin are left out on purpose: plain C functions are wanted, not packed ones. So is
# CommonSubexprElim, which leaves variables that nothing reads; C compilers do it better.
_LOWERING = (
    s_tir.CanonicalizeLoop(),
    s_tir.LowerInitBlock(),
    s_tir.PlanAndUpdateBufferAllocationLocation(),
    s_tir.ConvertBlocksToOpaque(),
    s_tir.CompactBufferAllocation(),
    s_tir.LowerMatchBuffer(),
    tir.StmtSimplify(),
    s_tir.LowerOpaqueBlock(),
    tir.FlattenBuffer(),
    tir.NarrowDataType(32),
    s_tir.LoopPartition(),
    tir.VectorizeLoop(False),
    tir.StorageRewrite(),
    tir.UnrollLoop(),
    s_tir.RenormalizeSplitPattern(),
    tir.StmtSimplify(),
    tir.RemoveNoOp(),
    tir.LowerIntrin(),
)


def lower_prim_func(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """`func` lowered for the C target; its parameters stay buffers."""
    target = Target("c")
    module = tir.BindTarget(target)(IRModule({"f": func}))
    with target:
        for step in _LOWERING:
            module = step(module)
    return _in_c99(_without_extremes(module["f"].without_attr("target")))


def _without_extremes(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """`func` with every min and max as a selection.

    The printer puts their operands into variables, one for each text within a scope: in
    `a[0] = max(a[0], x); y = max(a[0], 0)` both maxima would use the first value of a[0].
    """
    rules = [
        (tirx.Max, lambda e: tirx.Select(e.a > e.b, e.a, e.b)),
        (tirx.Min, lambda e: tirx.Select(e.a < e.b, e.a, e.b)),
    ]
    return tvm_ffi.structural_map(func, rules)


def _in_c99(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """`func` with C99's functions for float operators that TVM cannot print in C."""

    def call(e: Call) -> Expr:
        name = _C99.get(getattr(e.op, "name", ""), "")
        return tirx.call_pure_extern("float32", name, *e.args) if name else e

    return tvm_ffi.structural_map(func, [(Call, call)])


_C99 = {"tirx.fabs": "fabsf"}


def to_pointer_abi(func: tirx.PrimFunc, names: Sequence[str] = ()) -> tirx.PrimFunc:
    """`func` with each buffer parameter replaced by a pointer to its elements.

    Scalars stay. The result prints as `f(int8_t* x, ..., int32_t row)`, and other TIR functions
    call it with `buffer.data`. names: of all parameters, in place of their own.
    """
    params: list[tirx.Var] = []
    declarations: list[tirx.Stmt] = []
    for param, name in zip(func.params, names or [p.name for p in func.params], strict=True):
        if not isinstance(param.ty, BufferType):
            params.append(param)
            continue
        pointer = tirx.Var(name, PointerType(PrimType(str(param.dtype))))
        params.append(pointer)
        declarations.append(tirx.DeclBuffer(param, data=pointer))
    body = tirx.SeqStmt([*declarations, func.body]) if declarations else func.body
    return tirx.PrimFunc(params, body, None, func.attrs)
