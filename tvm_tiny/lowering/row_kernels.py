"""Lowers the row kernels of integer operators, and describes operators by their accesses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from tvm import tirx
from tvm.ir import Call, Expr, GenericConst, GlobalVar

from tvm_tiny.schedules import kernel as kernels
from tvm_tiny.schedules import packed, portable  # noqa: F401  they register the row kernels
from tvm_tiny.schedules.access.analysis import Access, Span, analyze
from tvm_tiny.schedules.addressing import Pitches
from tvm_tiny.schedules.kernel import Factory
from tvm_tiny.schedules.packed.isa import ISAS
from tvm_tiny.schedules.packed.tensorize import with_scratch
from tvm_tiny.schedules.portable.shift import (
    SHIFT_BLOCK,
    block_bytes,
    shift_kernel,
    shift_micro_kernel,
)
from tvm_tiny.schedules.shapes import memory_shape, row_split, shape_of, spec
from tvm_tiny.schedules.stages.columns import column_access, keep_columns
from tvm_tiny.schedules.stages.stage import Columns, Operator, Rows

from .lower_tir import lower_prim_func, to_pointer_abi
from .print_c import print_c

# tvm::CallingConv::kCPackedFunc: "has its final C signature already". It keeps TVM's
# MakePackedAPI from wrapping a function that only other TIR functions call.
FINAL_SIGNATURE = 1

# Attribute of a row kernel: the same in calls of micro-kernels, as the C definition of `kernel`.
IN_C = "tvm_tiny.in_c"

# Reading TVMScript and lowering it is what compiling costs; a model has few distinct kernels.
_LOWERED: dict[str, tirx.PrimFunc] = {}
_ACCESSES: dict[tuple[str, bytes, tuple[int, ...]], Access] = {}


def factory_of(call: Call) -> Factory:
    """The row kernels of an integer operator."""
    factory = kernels.lookup(call)
    assert factory is not None, f"no row kernel for {call.op}"
    return factory


def multiply_accumulates(call: Call) -> int:
    """Multiply-accumulates of an operator, counted for all taps, padded ones included."""
    name = call.op.name.removeprefix("tvm_tiny.")
    if "macs" in call.attrs:
        return int(call.attrs["macs"])
    if name in ("qconv2d", "qdense"):
        return math.prod(shape_of(call)) * math.prod(shape_of(call.args[1])[1:])
    if name == "qconv2d_transpose":
        inputs, weights = shape_of(call.args[0]), shape_of(call.args[1])
        return math.prod(inputs) * math.prod(weights[:3])
    if name == "qbatch_matmul":
        return math.prod(shape_of(call)) * shape_of(call.args[0])[-1]
    return 0


def lowered(call: Call, pitches: Pitches | None) -> tirx.PrimFunc:
    """The row kernel with pointers for parameters; pitches: see `Addressing`."""
    factory = factory_of(call)
    key = repr((factory.key(call), pitches))
    if key not in _LOWERED:
        addressing = factory.addressing(call, pitches=pitches)
        kernel = keep_columns(factory.kernel(call, addressing).func, addressing)
        wanted = factory.scratch(call) is not None
        micro = factory.micro_kernel(call, addressing)
        _LOWERED[key] = _in_two_forms(with_scratch(kernel, wanted=wanted), micro)
    return _LOWERED[key]


def lowered_shift(row_bytes: int, calls: Iterable[Call]) -> tirx.PrimFunc:
    """The kernel that shifts a line buffer in a stage of some calls."""
    isas = {str(call.attrs["isa"]) for call in calls if "isa" in call.attrs}
    if block_bytes(row_bytes) != SHIFT_BLOCK:
        isas = set()
    micro = (shift_micro_kernel(name) for name in sorted(isas) if ISAS[name].shifts)
    return _in_two_forms(shift_kernel(row_bytes), next(micro, None))


def _in_two_forms(kernel: tirx.PrimFunc, micro: tirx.PrimFunc | None) -> tirx.PrimFunc:
    """A row kernel as the virtual machine calls it.

    micro: the same kernel with calls of micro-kernels; its C becomes the attribute IN_C.
    """
    func = to_pointer_abi(lower_prim_func(kernel))
    if micro is not None:
        in_c = to_pointer_abi(lower_prim_func(micro))
        func = func.with_attr(IN_C, print_c({GlobalVar("kernel"): in_c}))
    return func.with_attr("calling_conv", FINAL_SIGNATURE)


def scratch_of(call: Call) -> tuple[int, str]:
    """Elements and type of the memory that a row kernel needs while it runs."""
    found = factory_of(call).scratch(call)
    return (0, "int8") if found is None else (math.prod(found[0]), found[1])


def access_of(call: Call) -> Access:
    """Which elements the row kernel of an integer operator touches, event by event."""
    factory = factory_of(call)
    constants = {k: a.value.numpy() for k, a in enumerate(call.args) if isinstance(a, GenericConst)}
    tables = b"".join(constants[k].tobytes() for k in factory.tables)
    # Reads of constants are left out of the result, so the key says which operands are constants.
    key = (factory.key(call), tables, tuple(constants))
    if key not in _ACCESSES:
        kernel = factory.kernel(call, factory.addressing(call, logical=True))
        integers = factory.integers(call, factory.whole(call))
        constants |= {len(call.args) + k: array for k, array in enumerate(integers)}
        _ACCESSES[key] = analyze(kernel.func, kernel.rows, constants)
    return _ACCESSES[key]


def describe(call: Call, places: Mapping[int, int], result: int) -> Operator:
    """An integer operator as a stage sees it, without the name of its kernel.

    places: the parameter of each operand that counts, by its position; result: of the output.
    """
    access = access_of(call)
    writes = _rows(access.writes, call)
    assert writes is not None
    elements, dtype = scratch_of(call)
    return Operator(
        kernel="",
        op=short_name(call),
        tensor="",
        macs=multiply_accumulates(call),
        operands=tuple(places.values()),
        result=result,
        reads=tuple(_rows(access.reads[k], call.args[k]) for k in places),
        writes=writes,
        within=tuple(access.within[k] for k in places),
        accumulates=access.own,
        scratch=elements * np.dtype(dtype).itemsize,
        scratch_type=dtype,
    )


def column_access_of(call: Call) -> Access:
    """Which columns the row kernel of an operator touches, result column by result column."""
    factory = factory_of(call)
    constants = {k: a.value.numpy() for k, a in enumerate(call.args) if isinstance(a, GenericConst)}
    tables = b"".join(constants[k].tobytes() for k in factory.tables)
    key = (f"columns {factory.key(call)}", tables, tuple(constants))
    if key not in _ACCESSES:
        addressing = factory.addressing(call, logical=True, pitches={})
        kernel = factory.kernel(call, addressing)
        (integers,) = factory.integers(call, factory.whole(call), [[0, 0]])
        constants[len(call.args)] = integers[0]
        _ACCESSES[key] = column_access(kernel, addressing, shape_of(call)[-2], constants)
    return _ACCESSES[key]


def describe_columns(call: Call, places: Iterable[int]) -> Columns | None:
    """The columns of an operator; None where its kernel computes whole rows only.

    places: the operands that count.
    """
    if not factory_of(call).tiled(call):
        return None
    reads = column_access_of(call).reads
    return Columns(shape_of(call)[-2], tuple(_columns(reads[k], call.args[k]) for k in places))


def line_buffer_operands(call: Call) -> tuple[int, ...]:
    """The operands, OUT for the result, whose rows the kernel finds through line buffers."""
    return factory_of(call).addressing(call).operands


def tiled_operands(call: Call) -> tuple[int, ...]:
    """The operands, OUT for the result, of which a kernel can take some columns."""
    return factory_of(call).tiled(call)


def overlap_bytes(call: Call) -> int:
    """Bytes by which a layer's result must start below its first operand to overlap it."""
    access = access_of(call)
    reads, within = access.reads[0], access.within[0]
    assert reads is not None, call.op
    assert within is not None, call.op
    # What is written must be below all that later events read.
    later = np.minimum.accumulate(np.asarray((*reads.first[1:], reads.end[-1]))[::-1])[::-1]
    return int(max(*within, *(np.asarray(access.writes.end) - later)))


def short_name(call: Call) -> str:
    """The operator's name without its namespace."""
    return str(call.op.name.rpartition(".")[2])


def row_bytes(tensor: Expr, width: int | None = None) -> int:
    """Bytes of one row of a tensor, or of so many columns of it."""
    shape, dtype = spec(tensor)
    return math.prod(memory_shape(shape, 1, width)) * np.dtype(dtype).itemsize


def _rows(span: Span | None, tensor: Expr) -> Rows | None:
    """Elements as rows of the tensor."""
    return None if span is None else _divided(span, math.prod(row_split(shape_of(tensor))[1]))


def _columns(span: Span | None, tensor: Expr) -> Rows | None:
    """Elements of a tensor of one row as columns of it."""
    return None if span is None else _divided(span, math.prod(row_split(shape_of(tensor))[1][1:]))


def _divided(span: Span, size: int) -> Rows:
    size = max(size, 1)
    return Rows(
        tuple(first // size for first in span.first),
        tuple(-(-end // size) for end in span.end),
    )
