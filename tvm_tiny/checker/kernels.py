"""Row kernels as the checker runs them: loops, guards and addresses without arithmetic."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import Call, IRModule, PointerType, PrimType
from tvm.target import Target

from .numbers import Numbers
from .reads import Reads
from .shadow import Shadow, sequence
from .statements import Statements
from .translation import Translation


@dataclass
class Kernel:
    """A row kernel that runs on identities.

    function: takes the addresses of the shadow memory, of the operands' places, of the report and
    the counts (see `shadow`), of the constants on which addresses depend, and the kernel's own
    scalars. constants: positions of these constants among the kernel's pointers. line_buffers:
    (position, element) of those that are the rows of a line buffer. reads_own: whether the kernel
    reads its own output. whole: whether it is taken to read a tensor whole, because data says which
    elements it reads. run: the compiled function, once there is one.
    """

    function: tirx.PrimFunc
    constants: tuple[int, ...]
    line_buffers: frozenset[tuple[int, int]]
    reads_own: bool
    whole: bool
    run: Any = None


# Keyed by row kernel and positions of its tensors: a proof takes as long as compiling does.
_KNOWN: dict[tuple[tvm_ffi.StructuralKey, frozenset[int]], Kernel] = {}


def instrument(func: tirx.PrimFunc, tensors: frozenset[int]) -> Kernel:
    """The checking kernel of a row kernel, whose pointers at `tensors` are tensors in SRAM.

    The last pointer is the output. Raises UnfollowableError.
    """
    key = tvm_ffi.StructuralKey(func), tensors
    if key not in _KNOWN:
        _KNOWN[key] = _instrumented(func, tensors)
    return _KNOWN[key]


def own_scratch(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """A row kernel with its scratch, its last pointer, as a local buffer.

    `Replay` makes sure that no kernel wants what another one leaves there.
    """
    *others, scratch, row = func.params

    def local(declared: tirx.DeclBuffer) -> tirx.Stmt:
        if isinstance(declared.data, Call) or not declared.data.same_as(scratch):
            return declared
        shape, dtype = declared.buffer.shape, str(declared.buffer.dtype)
        flat = tirx.decl_buffer((math.prod(map(int, shape)),), dtype, declared.buffer.name)
        view = tirx.DeclBuffer(declared.buffer, data=flat.data)
        return tirx.SeqStmt([tirx.AllocBuffer(flat), view])

    body = tvm_ffi.structural_map(func.body, [(tirx.DeclBuffer, local)])
    return tirx.PrimFunc([*others, row], body, None, func.attrs)


def build(kernels: Iterable[Kernel]) -> None:
    """Compiles those kernels that are not compiled yet, all at once."""
    missing = {id(kernel): kernel for kernel in kernels if kernel.run is None}
    named = {f"check{k}": kernel for k, kernel in enumerate(missing.values())}
    if not named:
        return
    functions = {n: k.function.with_attr("global_symbol", n) for n, k in named.items()}
    module = _compiled(IRModule(functions))
    for name, kernel in named.items():
        kernel.run = module[name]


def address(array: np.ndarray) -> ctypes.c_void_p:
    """The address of an array's elements, valid as long as the array lives."""
    return ctypes.c_void_p(array.ctypes.data)


def _compiled(module: IRModule) -> Any:
    """Native code, not optimized: for plain loops that would take longer than to run them."""
    target = Target({"kind": "llvm", "opt-level": 0})
    passes = (
        tirx.transform.BindTarget(target.with_host(target)),
        tirx.transform.MakePackedAPI(),
        tirx.transform.LowerTVMBuiltin(),
        tirx.transform.LowerIntrin(),
    )
    for step in passes:
        module = step(module)
    return tvm.get_global_func("target.build.llvm")(module, target)


def _instrumented(func: tirx.PrimFunc, tensors: frozenset[int]) -> Kernel:
    numbers = Numbers(func, tensors)
    dtypes = [str(pointer.ty.element_type.dtype) for pointer in numbers.pointers]
    shadow = Shadow([np.dtype(dtype).itemsize for dtype in dtypes])
    translation = Translation(numbers)
    reads = Reads(numbers, translation, shadow)
    output = len(dtypes) - 1
    body = reads.block(Statements(numbers, translation, shadow, reads, output).of(func.body))
    constants = {
        k: tirx.Var(f"pointer{k}", PointerType(PrimType(dtypes[k])))
        for k in sorted(translation.arrays)
    }
    declared = [tirx.DeclBuffer(translation.arrays[k], data=p) for k, p in constants.items()]
    scalars = [p for p in func.params if not isinstance(p.ty, PointerType)]
    function = tirx.PrimFunc(
        [*shadow.pointers, *constants.values(), *scalars],
        sequence([*declared, *shadow.function(body)]),
        None,
        tvm.ir.make_node("ir.DictAttrs", **{"tirx.noalias": True}),
    )
    line_buffers = frozenset(translation.line_buffers)
    return Kernel(
        function, tuple(constants), line_buffers, output in reads.operands, bool(reads.whole)
    )
