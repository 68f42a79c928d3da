"""TIR written with TVM's IRBuilder.

What TVM's parser makes of TVMScript, without its time: a kernel is parsed in 50 ms and built so in
2, and plain functions take the place of inlined ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tvm import tirx
from tvm.ir import Expr
from tvm.script.ir_builder import IRBuilder
from tvm.script.ir_builder import tirx as T

from ..shapes import Spec


def function(buffers: Mapping[str, Spec], body: Callable[..., None]) -> tirx.PrimFunc:
    """A function of buffers, by their names, and the number of a row.

    body: adds its statements; it is called with all of them.
    """
    with IRBuilder() as builder, T.prim_func(private=True, s_tir=True):
        T.func_name("row")
        parameters = [T.arg(name, T.buffer(*spec)) for name, spec in buffers.items()]
        body(*parameters, T.arg("y", T.int32()))
    return builder.get()


@contextmanager
def loops(**extents: int | Expr) -> Iterator[Any]:
    """Loops around what follows, by the names of their variables: one variable, or all of them."""
    with T.grid(*extents.values()) as found:
        variables = [found] if isinstance(found, tirx.Var) else list(found)
        IRBuilder.name_many(list(extents), variables)
        yield variables[0] if len(variables) == 1 else variables


def remap(kinds: str, **bindings: tirx.Var) -> list[tirx.Var]:
    """Axes of a block that are loop variables; kinds: S or R of each."""
    found = [T.axis.remap(kind, [var]) for kind, var in zip(kinds, bindings.values(), strict=True)]
    return list(IRBuilder.name_many(list(bindings), found))


def spatial(name: str, extent: int, binding: Expr | int) -> tirx.Var:
    """An axis of a block."""
    return IRBuilder.name(name, T.axis.spatial(extent, binding))


def buffer(name: str, shape: Sequence[int], dtype: str) -> tirx.Var:
    """Memory that the block around it has."""
    return IRBuilder.name(name, T.sblock_alloc_buffer(tuple(shape), dtype))


def everything(shape: Sequence[int]) -> tuple[slice, ...]:
    """The index of all of a buffer, to tell what a block reads or writes."""
    return tuple(slice(0, extent) for extent in shape)


def call(name: str, *arguments: Expr | int) -> None:
    """A call of a C function."""
    T.evaluate(T.call_extern("void", name, *arguments))
