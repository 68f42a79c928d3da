"""What the C printer is given."""

from __future__ import annotations

import tvm_ffi
from islands import calls, module
from tvm import tirx

from tvm_tiny import ops
from tvm_tiny.lowering.lower_tir import lower_prim_func, to_pointer_abi
from tvm_tiny.schedules import kernel as kernels
from tvm_tiny.schedules import portable  # noqa: F401  registers the kernels


def row_function(build, *shapes):
    call = calls(module(build, *shapes))[-1]
    factory = kernels.lookup(call)
    return factory.build(call, factory.addressing(call)).func


def pool(emit, x):
    window = {"pool_size": [1, 1], "strides": [1, 1], "padding": [0] * 4}
    return ops.call("qmax_pool2d", [x], **window, act_min=-128, act_max=127)


def test_no_minimum_or_maximum_is_left_for_the_printer():
    """Its temporaries outlive the stores between two maxima of one buffer."""
    func = row_function(pool, (1, 2, 2, 3))
    found = []
    tvm_ffi.structural_walk(lower_prim_func(func), [((tirx.Max, tirx.Min), found.append)])
    assert not found
    tvm_ffi.structural_walk(func, [((tirx.Max, tirx.Min), found.append)])
    assert found


def test_buffer_parameters_become_pointers():
    func = to_pointer_abi(lower_prim_func(row_function(pool, (1, 2, 2, 3))))
    pointers = [getattr(p.ty, "element_type", None) for p in func.params]
    assert [str(p) for p in pointers] == ["int8", "int32", "int8", "None"]
