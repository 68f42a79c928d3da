"""Checks the arguments of `pipeline` and `build`.

A wrong argument raises an error of one line that says what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import tvm
from tvm.ir import IRModule

from .errors import DataError
from .passes.select_kernels import PORTABLE
from .pools import BoardMemory
from .schedules.packed.isa import ISAS
from .targets import TARGETS, Target, find_target
from .text import did_you_mean

# Features that a processor needs for kernels. On the host all kernels are plain C.
_NEEDED = {"dsp": "dsp", "mve": "mve"}
_KERNELS = (*ISAS, PORTABLE)
# Kinds of TVM targets that stand for a processor which C is compiled for.
_KINDS = ("c", "llvm")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_target(target: object) -> Target:
    """The target that a name or a TVM Target stands for.

    A TVM Target stands for its mcpu, without one for the host. Raises DataError for other types
    and for unknown processors.
    """
    if isinstance(target, Target):
        return target
    if isinstance(target, tvm.target.Target):
        return _of_tvm(target)
    if isinstance(target, str):
        return find_target(target)
    raise DataError(
        f"target: {_shown(target)}, expected a name ({', '.join(TARGETS)}) or a TVM Target"
    )


def _of_tvm(target: tvm.target.Target) -> Target:
    kind, attrs = str(target.kind.name), dict(target.attrs)
    if kind not in _KINDS:
        raise DataError(
            f"target: TVM's kind {kind!r} is no processor that C is compiled for; expected a "
            f"Target of kind 'c' with an mcpu, or a name ({', '.join(TARGETS)})"
        )
    triple, processor = str(attrs.get("mtriple", "")), str(attrs.get("mcpu", "host"))
    if triple.startswith("riscv32"):
        return find_target("rv32")
    # LLVM's names of processors of larger machines stand for the host.
    is_host = kind == "llvm" and not triple.startswith(("arm", "thumb"))
    return find_target("host" if is_host and processor not in TARGETS else processor)


def kernels_of(target: Target) -> str:
    """Name of the micro-kernels for a target's instruction set."""
    if "mve" in target.features:
        return "mve"
    return "dsp" if "dsp" in target.features else "plain"


def check_kernels(kernels: object, target: Target | None) -> str:
    """Name of the kernels; None gives those of the target, or else portable ones.

    Raises DataError for unknown names, and for kernels that the target cannot run.
    """
    if kernels is None:
        return PORTABLE if target is None else kernels_of(target)
    if not isinstance(kernels, str) or kernels not in _KERNELS:
        hint = did_you_mean(str(kernels).lower(), _KERNELS)
        raise DataError(f"kernels: {_shown(kernels)} is not known{hint}")
    needed = _NEEDED.get(kernels)
    if target is not None and target.name != "host" and needed and needed not in target.features:
        raise DataError(
            f"kernels: {target.name} cannot run {kernels!r}; leave them out for those of the "
            f"target, {kernels_of(target)!r}"
        )
    return kernels


def check_name(name: object) -> None:
    """Raises DataError unless a model's name can be part of a C identifier."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DataError(
            f"name: {_shown(name)} is not a C identifier; use letters, digits and underscores, "
            "such as my_model"
        )


def check_bytes(name: str, value: object) -> None:
    """Raises DataError unless a budget is a positive number of bytes, or None."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return
    raise DataError(
        f"{name}: {_shown(value)}, expected bytes as a positive integer, such as {name}=64 * 1024"
    )


def check_flags(**flags: object) -> None:
    """Raises DataError unless all flags are True or False."""
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise DataError(f"{name}: {_shown(value)}, expected True or False")


def check_stages(stages: object) -> None:
    """Raises DataError unless stages are pairs of names."""
    pairs = list(stages) if isinstance(stages, Sequence) and not isinstance(stages, str) else None
    if pairs is None or not all(map(_is_pair, pairs)):
        raise DataError(
            f"stages: {_shown(stages)}, expected pairs of names of tensors, such as "
            'stages=[("first", "last")]'
        )


def _is_pair(pair: object) -> bool:
    if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
        return False
    return all(isinstance(name, str) for name in pair)


def check_memory(pools: object, choices: object) -> None:
    """Raises DataError unless pools are a BoardMemory or None, and choices a mapping."""
    if pools is not None and not isinstance(pools, BoardMemory):
        raise DataError(f"pools: {_shown(pools)}, expected what tvm_tiny.pools.read_pools gives")
    if not isinstance(choices, Mapping):
        raise DataError(f"choices: {_shown(choices)}, expected a mapping of workloads to choices")


def check_module(mod: Any) -> None:
    """Raises DataError unless `mod` is a TVM module."""
    if not isinstance(mod, IRModule):
        raise DataError(
            f"module: {_shown(mod)}, expected an IRModule; tvm_tiny.from_file reads model files"
        )


def _shown(value: object) -> str:
    """Text of a value for messages, or its type where the text is long."""
    text = repr(value)
    return text if len(text) <= 40 else f"a value of type {type(value).__name__}"
