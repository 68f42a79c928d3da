"""Kernels as C, from TVM's own C printer, with plain signatures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import GlobalVar, IRModule

from tvm_tiny.errors import UnsupportedError
from tvm_tiny.lowering.lower_tir import lower_prim_func, to_pointer_abi
from tvm_tiny.lowering.print_c import DEFINITION, print_c
from tvm_tiny.lowering.row_kernels import IN_C

_FLOAT = re.compile(r"\b\d\.\d{6}e[+-]\d+f\b")
_CALLED = re.compile(r"\b(\w+)\(")
# A function of runtime_c/include/tvm_tiny/<isa>.h.
_MICRO_KERNEL = re.compile(r"tvm_tiny_([a-z]+)_\w+$")
_KEYWORDS = {"for", "if", "return", "while"}


@dataclass(frozen=True)
class KernelSource:
    """The C of all kernels.

    declarations: prototypes of the kernels that the driver calls. headers: those of the
    micro-kernels that the kernels call, below runtime_c/include.
    """

    definitions: str
    declarations: str
    needs_libm: bool
    headers: tuple[str, ...] = ()


def print_kernels(mod: IRModule, outputs: Mapping[str, int], prefix: str) -> KernelSource:
    """Prints kernels of `mod` as C99 functions named `prefix` + name.

    outputs: for each kernel that the driver calls, how many of its last pointers it writes; the
    others become const.
    Functions of the module that run stages are left out: the C driver does that.
    """
    kernels = {
        var: function
        for var, function in mod.functions.items()
        if isinstance(function, tirx.PrimFunc) and var.name_hint in outputs
    }
    if not kernels:
        return KernelSource("", "", False)
    written = [
        str(function.attrs[IN_C]).replace(" kernel(", f" {var.name_hint}(", 1)
        for var, function in kernels.items()
        if _is_written(function)
    ]
    functions = {
        var: _prepared(function, outputs[var.name_hint])
        for var, function in kernels.items()
        if not _is_written(function)
    }
    text = _exact_floats(_printed(functions), functions.values()) if functions else ""
    text += "\n".join(written)
    declarations: list[str] = []

    def signature(match: re.Match[str]) -> str:
        name, parameters = match.group(1), match.group(2).split(", ")
        writes = outputs[name]
        pointers = [k for k, p in enumerate(parameters) if "*" in p]
        for position in pointers[: len(pointers) - writes]:
            parameters[position] = f"const {parameters[position]}"
        head = f"void {name}({', '.join(parameters)})"
        declarations.append(f"{head};")
        return f"{head} {{"

    text = DEFINITION.sub(signature, text)
    names = sorted((re.escape(var.name_hint) for var in kernels), key=len, reverse=True)
    rename = re.compile(rf"\b({'|'.join(names)})\(")
    definitions = rename.sub(rf"{prefix}\1(", text)
    prototypes = rename.sub(rf"{prefix}\1(", "\n".join(sorted(declarations)))
    # All other calls are of libm: int8 kernels call nothing else.
    own = {f"{prefix}{var.name_hint}" for var in kernels}
    called = set(_CALLED.findall(definitions)) - own - _KEYWORDS
    micro = {match.group(1) for name in called if (match := _MICRO_KERNEL.match(name))}
    foreign = {name for name in called if not _MICRO_KERNEL.match(name)}
    headers = tuple(f"tvm_tiny/{isa}.h" for isa in sorted(micro))
    return KernelSource(_sorted(definitions), prototypes, bool(foreign), headers)


def _printed(functions: Mapping[GlobalVar, tirx.PrimFunc]) -> str:
    """The C of all functions; UnsupportedError names the first that TVM cannot print."""
    try:
        return print_c(functions)
    except tvm.error.InternalError:
        unprinted = next((var for var, f in functions.items() if not _prints({var: f})), None)
        if unprinted is None:
            raise
    name = unprinted.name_hint.removesuffix("_hoisted")
    raise UnsupportedError(
        f"{name}: no C can be made of this kernel; replace the operator by supported ones, see "
        "`tvm-tiny supported-ops`"
    )


def _prints(functions: Mapping[GlobalVar, tirx.PrimFunc]) -> bool:
    try:
        return bool(print_c(functions))
    except tvm.error.InternalError:
        return False


def _is_written(function: tirx.PrimFunc) -> bool:
    """Whether a kernel has its C as an attribute."""
    return bool(function.attrs) and IN_C in function.attrs


def _prepared(function: tirx.PrimFunc, writes: int) -> tirx.PrimFunc:
    """A kernel ready for the printer: lowered, pointers for parameters, no calling convention.

    writes: how many parameters are outputs. Row kernels are lowered already; TVM's own kernels
    name parameters after the model's tensors, so those are numbered instead.
    """
    if function.attrs and "s_tir" in function.attrs:
        function = lower_prim_func(function)
        reads = len(function.params) - writes
        numbered = [f"in{k}" for k in range(reads)] + [f"out{k}" for k in range(writes)]
        function = to_pointer_abi(function, numbered)
    for attribute in ("calling_conv", "tirx.noalias"):
        function = function.without_attr(attribute)
    return function


def _exact_floats(text: str, functions: Iterable[tirx.PrimFunc]) -> str:
    """Gives float constants nine digits, which make a float32; the printer gives seven."""
    exact: dict[str, set[str]] = {}

    def note(constant: tirx.FloatImm) -> None:
        value = np.float32(abs(constant.value))
        if np.isfinite(value):
            exact.setdefault(f"{abs(constant.value):e}f", set()).add(f"{value:.8e}f")

    for function in functions:
        tvm_ffi.structural_walk(function, [(tirx.FloatImm, note)])

    def replace(match: re.Match[str]) -> str:
        candidates = exact.get(match.group(), {match.group()})
        if len(candidates) > 1:
            raise UnsupportedError(
                f"float constants {', '.join(sorted(candidates))} of one model print alike in "
                "TVM's C; no operator of tvm_tiny's own has float constants in its code"
            )
        return next(iter(candidates))

    return _FLOAT.sub(replace, text)


def _use_all_parameters(function: str) -> str:
    """A definition without unused parameters; the row of a one-row kernel is one."""
    head, brace, body = function.partition("{\n")
    names = re.findall(r"(\w+)(?=[,)])", head)
    unused = [name for name in names if not re.search(rf"\b{name}\b", body)]
    return head + brace + "".join(f"  (void){name};\n" for name in unused) + body


def _sorted(text: str) -> str:
    """The definitions sorted by name."""
    parts = sorted(map(_use_all_parameters, re.split(r"(?m)^(?=void )", text)))
    return "\n".join(part.strip() + "\n" for part in parts if part.strip())
