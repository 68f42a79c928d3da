"""Models in host programs: sanitizers, threads, several models in one firmware, error codes."""

from __future__ import annotations

import ctypes

import pytest
from aot.edge_models import EDGE_MODELS
from aot.host_library import build_library, pointer_struct
from aot.programs import run_program
from aot.test_edge_models import compile_quietly
from modelgen import random_tflite

from tvm_tiny.frontend.tflite import from_tflite

SANITIZE = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def test_integer_models_under_sanitizers(integer_models, tmp_path):
    run_program(integer_models, tmp_path, flags=SANITIZE)


@pytest.mark.parametrize("io_in_arena", [True, False])
def test_edge_models_under_sanitizers(io_in_arena, tmp_path):
    models = [
        compile_quietly(build(), name=name, io_in_arena=io_in_arena)
        for name, build in EDGE_MODELS.items()
    ]
    run_program(models, tmp_path, flags=SANITIZE)


def test_operators_with_buffers_of_the_caller_under_sanitizers(tmp_path):
    models = [
        compile_quietly(
            from_tflite(random_tflite.single_op_model(operator, 2)),
            name=operator.lower(),
            io_in_arena=False,
        )
        for operator in random_tflite.OPERATORS
    ]
    run_program(models, tmp_path, flags=SANITIZE)


def test_instances_and_models_run_at_the_same_time(integer_models, tmp_path):
    run_program(
        integer_models[:5], tmp_path, threads=4, repeats=200, flags=("-O1", "-fsanitize=thread")
    )


def test_models_survive_whole_program_optimization(integer_models, float_model, tmp_path):
    flags = ("-O3", "-flto", "-fstrict-aliasing")
    run_program([*integer_models, float_model], tmp_path, flags=flags)


def test_wrong_arguments_have_their_codes(tmp_path):
    name = "codes"
    model = compile_quietly(EDGE_MODELS["network"](), name=name)
    run = build_library([model], tmp_path)[name]._symbol("run")
    assert run(None) == 0x0101
    assert run(ctypes.byref(pointer_struct(1)(None))) == 0x0201
    assert run(ctypes.byref(pointer_struct(1)(0x1008))) == 0x0202


def test_wrong_arguments_have_their_codes_with_buffers_of_the_caller(tmp_path):
    name = "codes_own"
    model = compile_quietly(EDGE_MODELS["network"](), name=name, io_in_arena=False)
    run = build_library([model], tmp_path)[name]._symbol("run")
    one, none = pointer_struct(1)(0x1000), pointer_struct(1)(None)
    call = ctypes.byref
    assert run(call(one), call(one), None) == 0x0101
    assert run(None, call(one), call(one)) == 0x0102
    assert run(call(none), call(one), call(one)) == 0x0102
    assert run(call(one), None, call(one)) == 0x0103
    assert run(call(one), call(none), call(one)) == 0x0103
    assert run(call(one), call(one), call(none)) == 0x0201


def test_maps_of_no_arena_are_null(tmp_path):
    name = "maps"
    model = compile_quietly(EDGE_MODELS["two_inputs"](), name=name)
    found = build_library([model], tmp_path)[name]
    for function, count in (("map_inputs", 2), ("map_outputs", 1)):
        symbol = found._symbol(function)
        symbol.restype = pointer_struct(count)
        for pools in (None, ctypes.byref(pointer_struct(1)(None))):
            mapped = symbol(pools)
            assert [getattr(mapped, f"p{k}") for k in range(count)] == [None] * count
