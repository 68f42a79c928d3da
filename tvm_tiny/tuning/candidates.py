"""Makes the C of a candidate, which is a product computed by one choice."""

from __future__ import annotations

import math
import re

import numpy as np
from tvm.ir import Call, GlobalVar

from tvm_tiny.lowering.lower_tir import lower_prim_func, to_pointer_abi
from tvm_tiny.lowering.print_c import print_c
from tvm_tiny.lowering.row_kernels import factory_of
from tvm_tiny.schedules.packed.choice import Choice
from tvm_tiny.schedules.packed.geometry import geometry
from tvm_tiny.schedules.shapes import shape_of

from .firmware import Batch, Kernel
from .workloads import Workload

#: Seed of the input with which candidates are compared.
_SEED = 1

_DEFINED = re.compile(r"^TVM_DLL (?=void kernel\()", re.MULTILINE)


def make_kernel(workload: Workload, choice: Choice) -> Kernel:
    """The C of a candidate, lowered as the compiler lowers it."""
    call = workload.packed(choice)
    factory = factory_of(call)
    made = factory.micro_kernel(call, factory.addressing(call))
    assert made is not None, "products are made of micro-kernels"
    func = to_pointer_abi(lower_prim_func(made))
    integers = factory.integers(call, factory.whole(call))
    return Kernel(
        label=describe(choice),
        text=_DEFINED.sub("", print_c({GlobalVar("kernel"): func})),
        constants=tuple(a.value.numpy().tobytes() for a in call.args[1:]),
        integers=tuple(int(v) for array in integers for v in array),
        scratch_bytes=scratch_bytes(call),
    )


def describe(choice: Choice) -> str:
    """A choice in words."""
    return f"{choice.pixels}x{choice.filters} in chunks of {choice.chunk}"


def scratch_bytes(call: Call) -> int:
    """Memory beside the operands that a packed product needs while it runs."""
    found = factory_of(call).scratch(call)
    return 0 if found is None else math.prod(found[0]) * np.dtype(found[1]).itemsize


def make_batch(board: str, workload: Workload, kernels: list[Kernel]) -> Batch:
    """A batch of kernels for one firmware; the first must be the default."""
    call = workload.packed()
    shape = shape_of(call.args[0])
    values = np.random.default_rng(_SEED).integers(-128, 128, shape).astype("int8")
    return Batch(
        board=board,
        layer=workload.name,
        kernels=tuple(kernels),
        input=values.tobytes(),
        output_bytes=math.prod(shape_of(call)),
        rows=geometry(call).out[0],
        headers=(f"tvm_tiny/{workload.isa.name}.h",),
    )
