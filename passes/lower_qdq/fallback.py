"""What is left in float, and the warning that says so."""

from __future__ import annotations

import warnings

from tvm import relax
from tvm.ir import Call, IRModule


class FloatFallbackWarning(UserWarning):
    """An operator has no integer form and runs in float on the device."""


def warn_of_float(mod: IRModule) -> None:
    """One FloatFallbackWarning for each tensor of main that Relax operators compute in float."""
    for tensor, names in float_operators(mod).items():
        warnings.warn(
            f"{', '.join(names)} (tensor '{tensor}'): no integer form, runs in float on the device",
            FloatFallbackWarning,
            stacklevel=3,
        )


def float_operators(mod: IRModule) -> dict[str, list[str]]:
    """Operators of main with a float result, by the tensor that they compute, in order.

    What a quantize follows is named as the quantized tensor, which is the one the model names.
    """
    found: dict[str, list[str]] = {}
    named: dict[relax.Var, str] = {}
    for binding in reversed(_bindings(mod)):
        name = getattr(getattr(binding.value, "op", None), "name", "")
        if not isinstance(binding.value, Call):
            continue
        tensor = named.get(binding.var, binding.var.name)
        if name == "tvm_tiny.quantize":
            tensor = binding.var.name
        elif name.startswith("relax.") and _is_float(binding.var):
            found.setdefault(tensor, []).insert(0, name.removeprefix("relax."))
        else:
            continue
        for arg in binding.value.args:
            if isinstance(arg, relax.Var):
                named.setdefault(arg, tensor)
    return dict(reversed(found.items()))


def _bindings(mod: IRModule) -> list[relax.VarBinding]:
    return [binding for block in mod["main"].body.blocks for binding in block.bindings]


def _is_float(var: relax.Var) -> bool:
    return str(getattr(var.ty, "dtype", "")).startswith("float")
