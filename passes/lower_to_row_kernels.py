"""LowerToRowKernels: integer operators become calls of stages, stages loops of row kernels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import tvm
from tvm import relax, s_tir, tirx
from tvm.ir import Call, GlobalVar, IRModule, PrimType
from tvm.relax.expr_functor import PyExprMutator, mutator

from tvm_tiny.errors import UnsupportedError
from tvm_tiny.schedules import kernel as kernels
from tvm_tiny.schedules import portable  # noqa: F401  registers the row kernels
from tvm_tiny.schedules.kernel import shape_of

from .lower_tir import lower_prim_func, to_pointer_abi
from .rebuild import bindings_of, mutate_main

# tvm::CallingConv::kCPackedFunc: "has its final C signature already". It keeps TVM's
# MakePackedAPI from wrapping a function that only other TIR functions call.
_FINAL_SIGNATURE = 1


def _stage(
    row: GlobalVar, rows: int, shapes: list[kernels.Spec], call: Call
) -> tirx.PrimFunc:
    """The loop that runs one operator layer by layer: every row in order, whole tensors."""
    buffers = [tirx.decl_buffer(s, d, f"p{k}") for k, (s, d) in enumerate(shapes)]
    index = tirx.Var("row", "int32")
    invoke = Call(row, [*(b.data for b in buffers), index], ret_ty=PrimType("int32"))
    loop = tirx.For(index, 0, rows, tirx.ForKind.SERIAL, tirx.Evaluate(invoke))
    # Relax's analyses expect a root block around a function's body.
    root = s_tir.SBlockRealize([], True, s_tir.SBlock([], [], [], "root", loop))
    attrs = tvm.ir.make_node(
        "ir.DictAttrs",
        **{
            "tirx.noalias": True,
            "s_tir": True,
            "tvm_tiny.op": call.op.name.removeprefix("tvm_tiny."),
            "tvm_tiny.macs": multiply_accumulates(call),
        },
    )
    return tirx.PrimFunc(buffers, root, None, attrs)


def multiply_accumulates(call: Call) -> int:
    """Multiply-accumulates of an operator, counted for all taps, padded ones included."""
    name = call.op.name.removeprefix("tvm_tiny.")
    if name in ("qconv2d", "qdense"):
        return math.prod(shape_of(call)) * math.prod(shape_of(call.args[1])[1:])
    if name == "qconv2d_transpose":
        inputs, weights = shape_of(call.args[0]), shape_of(call.args[1])
        return math.prod(inputs) * math.prod(weights[:3])
    if name == "qbatch_matmul":
        return math.prod(shape_of(call)) * shape_of(call.args[0])[-1]
    return 0


@dataclass(frozen=True)
class _Lowered:
    """A row kernel with pointers for parameters, its rows, and the elements of each operand."""

    func: tirx.PrimFunc
    rows: int
    elements: tuple[int, ...]


# Reading TVMScript and lowering it is what compiling costs; a model has few distinct kernels.
_LOWERED: dict[str, _Lowered] = {}


def _lowered(factory: kernels.Factory, call: Call) -> _Lowered:
    key = factory.key(call)
    if key not in _LOWERED:
        kernel = factory.build(call)
        func = to_pointer_abi(lower_prim_func(kernel.func))
        elements = tuple(math.prod(int(d) for d in p.shape) for p in kernel.func.params[:-1])
        func = func.with_attr("calling_conv", _FINAL_SIGNATURE)
        _LOWERED[key] = _Lowered(func, kernel.rows, elements)
    return _LOWERED[key]


def emit_stage(builder: relax.BlockBuilder, call: Call) -> Call:
    """Add the row kernel and the stage of `call` to the builder's module; answer its call_tir.

    Functions of equal structure are added once: BlockBuilder.add_func compares them.
    """
    factory = kernels.lookup(call)
    assert factory is not None, f"no row kernel for {call.op}"
    kernel = _lowered(factory, call)
    name = call.op.name.removeprefix("tvm_tiny.")
    operands = [*call.args, *map(relax.const, factory.constants(call))]
    specs = [kernels.spec(arg) for arg in operands] + [kernels.spec(call)]
    assert tuple(math.prod(s) for s, _ in specs) == kernel.elements, f"operands of {name}"
    row_var = builder.add_func(kernel.func, f"{name}_row")
    stage_var = builder.add_func(_stage(row_var, kernel.rows, specs, call), name)
    return relax.op.call_tir(stage_var, operands, call.ty)


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.LowerToRowKernels")
class LowerToRowKernels:
    """Lower integer operators to row kernels, and what is left to TVM's own TIR.

    Before::

        y = tvm_tiny.qconv2d(x, w, bias, multiplier, shift, ...)

    After::

        y = call_tir(qconv2d, (x, w, bias, multiplier, shift, parameters))
        qconv2d: for row in range(N * OH): qconv2d_row(x, w, ..., y, row)

    Requires: tvm_tiny's operators or Relax operators that LegalizeOps knows, static shapes.
    Ensures: main holds call_tir, reshape and renamings only; kernels of equal structure are
    one function.
    Does nothing when: main holds neither.
    """

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Rewrite main and add the kernels; the module given is not changed."""
        lowered = mutate_main(mod, _Lowering(mod))
        return _legalize_rest(lowered)


def _legalize_rest(mod: IRModule) -> IRModule:
    """TVM's own kernels for the operators that stay in float.

    Raises UnsupportedError, with every such operator, where TVM cannot make one of them.
    """
    # A reshape moves nothing: it stays an alias for the memory planner.
    keep = {"relax.reshape": lambda builder, call: call}
    try:
        return relax.transform.LegalizeOps(keep)(mod)
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        cause = str(error).strip().splitlines()[-1] if str(error).strip() else repr(error)
        names = [
            f"{b.value.op.name.removeprefix('relax.')} (tensor '{b.var.name}')"
            for b in bindings_of(mod["main"])
            if getattr(getattr(b.value, "op", None), "name", "").startswith("relax.")
            and b.value.op.name not in ("relax.call_tir", "relax.reshape")
        ]
        raise UnsupportedError(
            f"TVM cannot make a float kernel for one of: {', '.join(names)} ({cause}); "
            "express it by other operators, or quantize it"
        ) from error


@mutator
class _Lowering(PyExprMutator):
    """Replaces calls that have a row kernel."""

    def visit_call_(self, call: Call) -> relax.Expr:
        call = super().visit_call_(call)
        return emit_stage(self.builder_, call) if kernels.lookup(call) is not None else call
