"""Invariants between passes as named checks, and an instrument that checks them.

    with tvm.transform.PassContext(instruments=[CheckInvariants()]):
        lowered = tvm_tiny.pipeline()(mod)

An invariant that does not hold is a bug of a pass, not of the model: InvariantError names the
pass, the check, and the binding with its surroundings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import tvm
import tvm_ffi
from tvm import relax
from tvm.ir import Call, IRModule, Tuple, TupleGetItem
from tvm.ir.instrument import pass_instrument

from .interface import ATTRIBUTE as INTERFACE
from .lowering.memory_plan import ATTRIBUTE as MEMORY_PLAN
from .passes.memory_aware_schedule import ATTRIBUTE as ORDER
from .relax_rewrite import Binding, bindings_of

Check = Callable[[IRModule], Iterator[str]]

_SURROUNDINGS = 2


@tvm_ffi.register_error
class InvariantError(AssertionError):
    """A pass has broken one of its invariants."""


def well_formed(mod: IRModule) -> Iterator[str]:
    """Yields a fault unless Relax's own checker accepts the module."""
    if not relax.analysis.check_well_formed(mod):
        yield "the module is not well-formed"


def static_shapes(mod: IRModule) -> Iterator[str]:
    """Yields a fault for each tensor without constant extents."""
    for binding in bindings_of(mod["main"]):
        for ty in _tensor_types(binding.var.ty):
            if not all(isinstance(d, tvm.tirx.IntImm) for d in ty.shape):
                yield _at(mod, binding, "its shape is not constant")


def flat_main(mod: IRModule) -> Iterator[str]:
    """Yields a fault for each branch or other binding in main that is not plain."""
    for binding in bindings_of(mod["main"]):
        if not isinstance(binding, relax.VarBinding) or isinstance(binding.value, relax.If):
            yield _at(mod, binding, "it is not a plain binding")


def interface_recorded(mod: IRModule) -> Iterator[str]:
    """Yields a fault unless main has its interface as an attribute."""
    if not mod["main"].attrs or INTERFACE not in mod["main"].attrs:
        yield f"main has no attribute {INTERFACE}"


def no_islands(mod: IRModule) -> Iterator[str]:
    """Yields a fault for each relax.quantize or relax.dequantize that is left."""
    for binding in bindings_of(mod["main"]):
        if _operator(binding) in ("relax.quantize", "relax.dequantize"):
            yield _at(mod, binding, "it was not lowered")


def only_kernels(mod: IRModule) -> Iterator[str]:
    """Yields a fault for each binding of main that neither calls a kernel nor renames."""
    for binding in bindings_of(mod["main"]):
        value = binding.value
        is_name = isinstance(value, relax.Var | Tuple | TupleGetItem)
        if not is_name and _operator(binding) not in ("relax.call_tir", "relax.reshape"):
            yield _at(mod, binding, "it is neither a kernel call nor a renaming")


def ordered(mod: IRModule) -> Iterator[str]:
    """Yields a fault unless main has a report on the order of its operators."""
    if ORDER not in mod["main"].attrs:
        yield f"main has no attribute {ORDER}"


def planned(mod: IRModule) -> Iterator[str]:
    """Yields a fault unless main has a memory plan."""
    if MEMORY_PLAN not in mod["main"].attrs:
        yield f"main has no attribute {MEMORY_PLAN}"


_ALWAYS: tuple[Check, ...] = (well_formed, static_shapes, flat_main)

# Further checks that hold after each pass, by name of the pass.
ENSURED: dict[str, tuple[Check, ...]] = {
    "tvm_tiny.ConvertLayout": (),
    "tvm_tiny.FoldEdges": (interface_recorded,),
    "tvm_tiny.LowerQDQ": (interface_recorded, no_islands),
    "tvm_tiny.FuseOperators": (interface_recorded, no_islands),
    "tvm_tiny.FoldConstantChannels": (interface_recorded, no_islands),
    "tvm_tiny.MaterializeOutputs": (interface_recorded, no_islands),
    "tvm_tiny.MemoryAwareSchedule": (interface_recorded, no_islands, ordered),
    "tvm_tiny.PartitionStages": (interface_recorded, no_islands),
    "tvm_tiny.PatchInference": (interface_recorded, no_islands),
    "tvm_tiny.CopyTensors": (interface_recorded, no_islands),
    "tvm_tiny.RunningSums": (interface_recorded, no_islands),
    "tvm_tiny.StreamInput": (interface_recorded, no_islands),
    "tvm_tiny.StreamStages": (interface_recorded, no_islands),
    "tvm_tiny.InplaceDepthwise": (interface_recorded, no_islands),
    "tvm_tiny.SelectKernels": (interface_recorded, no_islands),
    "tvm_tiny.SubsampleShortcuts": (interface_recorded, no_islands),
    "tvm_tiny.LowerToRowKernels": (interface_recorded, only_kernels),
    "tvm_tiny.HoistScratch": (interface_recorded, only_kernels),
    "tvm_tiny.PlanMemory": (interface_recorded, only_kernels, planned),
}


def verify(mod: IRModule, after: str) -> None:
    """Raises InvariantError unless all checks for the pass `after` hold."""
    for check in (*_ALWAYS, *ENSURED.get(after, ())):
        for fault in check(mod):
            raise InvariantError(f"after {after}, {check.__name__}: {fault}")


@pass_instrument
class CheckInvariants:
    """Verifies the module after each of tvm_tiny's passes."""

    def run_after_pass(self, mod: IRModule, info: tvm.transform.PassInfo) -> None:
        """Called by TVM after every pass."""
        if info.name in ENSURED:
            verify(mod, info.name)


def _operator(binding: Binding) -> str:
    value = binding.value
    return getattr(value.op, "name", "") if isinstance(value, Call) else ""


def _tensor_types(ty: relax.Type) -> Iterator[relax.TensorType]:
    for field in getattr(ty, "fields", [ty]):
        if isinstance(field, relax.TensorType):
            yield field


def _at(mod: IRModule, binding: Binding, fault: str) -> str:
    """Text of a fault, with the bindings around it."""
    bindings = bindings_of(mod["main"])
    position = next(k for k, b in enumerate(bindings) if b.same_as(binding))
    around = bindings[max(0, position - _SURROUNDINGS) : position + _SURROUNDINGS + 1]
    lines = "\n".join(f"  {b.var.name} = {_operator(b) or type(b.value).__name__}" for b in around)
    return f"tensor '{binding.var.name}': {fault}\n{lines}"
