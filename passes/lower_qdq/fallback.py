"""The warning about operators left in float, with the reason and the cost."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

from tvm import relax
from tvm.ir import Call, IRModule

from tvm_tiny.lowering.float_cost import ATTRIBUTE, FloatCost, cost_of, to_json
from tvm_tiny.relax_rewrite import bindings_of, with_main


class FloatFallbackWarning(UserWarning):
    """An operator has no integer form and runs in float on the device."""


@dataclass
class FloatTensor:
    """The Relax operators that compute one tensor in float, in order, with their results.

    name: of the tensor. quantized: whether a quantize follows; then the name is that of its result.
    """

    name: str
    quantized: bool
    operators: list[tuple[relax.Var, Call]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Names of the operators without prefix; a TIR kernel has its function's name."""
        return [_operator(call) for _, call in self.operators]

    @property
    def dtype(self) -> str:
        """Element type of the last operator's result."""
        return str(getattr(self.operators[-1][0].ty, "dtype", ""))

    def reason(self, known: Mapping[str, str]) -> str:
        """Why the tensor stays in float, from `known` or else from its operators.

        known: tensor name -> the reason that a rule gave.
        """
        if self.name in known:
            return known[self.name]
        if not self.quantized and self.dtype.startswith("float"):
            return "nothing quantizes its result"
        *others, last = dict.fromkeys(self.names)
        if others:
            together = f"{', '.join(others)} and {last}"
            return f"no integer operator computes {together} at once; quantize between them"
        if self.dtype == "bool":
            return "what it reads is not quantized"
        return f"no integer form of {last}"


def note_float(mod: IRModule, known: Mapping[str, str]) -> IRModule:
    """The module with its float operators in an attribute of main; warns of each tensor.

    known: tensor name -> the reason that a rule gave. Each warning is a FloatFallbackWarning.
    """
    costs: dict[str, FloatCost] = {}
    for tensor in float_tensors(mod):
        reason = tensor.reason(known)
        found = [cost_of(call, result, reason) for result, call in tensor.operators]
        results = (result.name for result, _ in tensor.operators)
        costs |= dict(zip(results, found, strict=True))
        warnings.warn(_text(tensor, reason, found), FloatFallbackWarning, stacklevel=3)
    main = mod["main"]
    return with_main(mod, main.with_attr(ATTRIBUTE, to_json(costs))) if costs else mod


def _text(tensor: FloatTensor, reason: str, costs: list[FloatCost]) -> str:
    macs = sum(cost.macs for cost in costs)
    products = f" and {macs:,} multiply-accumulates" if macs else ""
    instructions = sum(cost.instructions(unit=True) for cost in costs)
    return (
        f"{', '.join(tensor.names)} (tensor '{tensor.name}'): {reason}, runs in float on the "
        f"device, with {sum(cost.bytes for cost in costs):,} bytes of results{products}; about "
        f"{instructions:,} instructions, or 8 times as many without a unit for float32 (estimates)"
    )


def float_tensors(mod: IRModule) -> list[FloatTensor]:
    """Tensors of main that Relax operators compute in float, in order.

    Operators before a quantize count as one tensor under the quantized tensor's name, which is the
    name in the model.
    """
    found: dict[str, FloatTensor] = {}
    named: dict[relax.Var, tuple[str, bool]] = {}
    for binding in reversed(bindings_of(mod["main"])):
        call, var = binding.value, binding.var
        name = getattr(getattr(call, "op", None), "name", "")
        tensor = named.get(var, (var.name, False))
        if name == "tvm_tiny.quantize":
            tensor = var.name, True
        elif isinstance(call, Call) and name.startswith("relax.") and _on_floats(call, var):
            entry = found.setdefault(tensor[0], FloatTensor(*tensor))
            entry.operators.insert(0, (var, call))
        else:
            continue
        for arg in call.args:
            if isinstance(arg, relax.Var):
                named.setdefault(arg, tensor)
    return list(reversed(found.values()))


def _on_floats(call: Call, result: relax.Var) -> bool:
    """Whether an operator reads or writes floats; a quantize does not count."""
    if call.op.name == "relax.quantize":
        return False
    return any(_is_float(var) for var in (result, *call.args) if isinstance(var, relax.Var))


def _operator(call: Call) -> str:
    name = str(call.op.name).rsplit(".", 1)[-1]
    if name == "call_tir":
        return f"kernel {call.args[0].name_hint}"
    return "cast" if name == "astype" else name


def _is_float(var: relax.Var) -> bool:
    return str(getattr(var.ty, "dtype", "")).startswith("float")
