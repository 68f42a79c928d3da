"""Generated C of stages, of inputs that are pushed row by row, and of layers that run backward."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from aot.conftest import needs
from aot.edge_models import EDGE_MODELS
from aot.host_library import (
    Arenas,
    HostModel,
    build_library,
    include_flags,
    pointer_struct,
    run_tool,
    sources,
    write_model,
)
from aot.relax_models import bottleneck, island, module, network
from aot.test_compilers import OURS
from aot.test_edge_models import compile_quietly, random_inputs
from tvm import relax

from tvm_tiny.errors import UnsupportedError
from tvm_tiny.schedules.stages.stage import SHIFT
from tvm_tiny.transform import FoldEdges

# Codes of tvm_tiny/errors.h.
NULL_POOLS, NULL_ROW, NOT_BEGUN, INPUT_COMPLETE = 0x0101, 0x0104, 0x0105, 0x0106
NULL_ARENA, ARENA_ALIGNMENT = 0x0201, 0x0202
# Edge models of one input that has rows.
WITH_ROWS = (
    "network",
    "identity",
    "repeated_outputs",
    "repeated_tuple_items",
    "constant_outputs",
    "uint8_edges",
    "float_edges",
    "float_operators",
    "argmax",
)
DRIVER = "codegen/host/src/tvmgen_{}.c"
HEADER = "codegen/host/include/tvmgen_{}.h"


def image(model: HostModel, seed: int) -> np.ndarray:
    shape = model.program.interface.inputs[0].shape
    return np.random.default_rng(seed).integers(-128, 128, shape).astype("int8")


@pytest.fixture(scope="module")
def library(streamed_models, tmp_path_factory) -> dict[str, HostModel]:
    layers = [
        compile_quietly(network(), name="layers"),
        compile_quietly(bottleneck(), name="unfolded", io_in_arena=False),
    ]
    return build_library([*streamed_models, *layers], tmp_path_factory.mktemp("streamed"))


@pytest.mark.parametrize(
    ("name", "same"), [("staged", "layers"), ("pushed", "layers"), ("backward", "unfolded")]
)
def test_streams_compute_what_layers_do(name, same, library):
    for seed in range(4):
        x = [image(library[name], seed)]
        (found,), (expected,) = library[name].run(x), library[same].run(x)
        np.testing.assert_array_equal(found, expected)
        assert len(np.unique(found)) > 2


def test_the_drivers_are_of_the_kinds_they_are_named_for(streamed_models):
    staged, streamed, backward = (
        model.files[DRIVER.format(model.program.name)].decode() for model in streamed_models
    )
    assert "tvmgen_staged_stage_0(arena)" in staged
    assert "tvmgen_pushed_push_row(" in streamed
    assert "_run(" not in streamed
    assert "row-- > 0;" in backward
    assert "row-- > 0;" not in staged + streamed


def test_the_header_says_how_to_push(streamed_models):
    header = streamed_models[1].files[HEADER.format("pushed")].decode()
    assert "#define TVMGEN_PUSHED_INPUT_0_ROWS 8\n" in header
    assert "#define TVMGEN_PUSHED_INPUT_0_ROW_SIZE 24\n" in header
    for absent in ("_run(", "map_inputs", "struct tvmgen_pushed_inputs"):
        assert absent not in header
    assert "INPUT_0_ROWS" not in streamed_models[0].files[HEADER.format("staged")].decode()


@pytest.mark.parametrize("options", [("minimize",), ("minimize", "stream_input")], ids="-".join)
def test_edge_models_compute_the_same_as_streams(options, tmp_path):
    models = [
        compile_quietly(EDGE_MODELS[name](), name=name, **dict.fromkeys(options, True))
        for name in EDGE_MODELS
        if "stream_input" not in options or name in WITH_ROWS
    ]
    layers = [compile_quietly(EDGE_MODELS[m.program.name](), name=m.program.name) for m in models]
    expected = build_library(layers, tmp_path / "layers")
    found = build_library(models, tmp_path / "streams")
    for name, model in found.items():
        inputs = random_inputs(FoldEdges()(EDGE_MODELS[name]()))
        for wanted, result in zip(expected[name].run(inputs), model.run(inputs), strict=True):
            np.testing.assert_array_equal(result, wanted)


@pytest.mark.parametrize("name", sorted(set(EDGE_MODELS) - set(WITH_ROWS)))
def test_other_edge_models_say_why_their_input_cannot_be_streamed(name):
    with pytest.raises(UnsupportedError, match=r"streamed input: .*compile it without"):
        compile_quietly(EDGE_MODELS[name](), stream_input=True)


@pytest.mark.parametrize("option", ["stream_input", "io_in_arena"])
def test_what_we_write_passes_stricter_warnings(option, compiler, tmp_path):
    options = {"minimize": True, option: option == "stream_input"}
    folder = write_model(compile_quietly(network(), name="strict", **options), tmp_path)
    ours = [source for source in sources(folder) if not source.endswith("_kernels.c")]
    run_tool([compiler, *OURS, *include_flags(folder), "-fsyntax-only", *ours])


def test_the_streamed_header_is_cpp(streamed_models, tmp_path):
    cpp, folder = needs("g++"), write_model(streamed_models[1], tmp_path)
    user = folder / "user.cpp"
    user.write_text(
        '#include "tvmgen_pushed.h"\n'
        "int32_t begin(tvmgen_pushed_workspace_pools* p) { return tvmgen_pushed_begin(p); }\n"
    )
    flags = ["-std=c++11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"]
    run_tool([cpp, *flags, *include_flags(folder), user])


@pytest.fixture
def streamed(library) -> HostModel:
    return library["pushed"]


@pytest.fixture
def arena(streamed) -> Arenas:
    """Full of noise."""
    return Arenas(streamed.program)


def contents(arena: Arenas, model: HostModel) -> np.ndarray:
    """All bytes of the one arena."""
    return arena.at(arena.pointers.p0, model.program.workspace_bytes)


def test_rows_are_expected_after_begin_and_as_many_as_there_are(streamed, arena):
    rows = streamed.rows(image(streamed, 0))
    assert streamed.push(arena, rows[0]) == NOT_BEGUN
    assert streamed.next_row(arena) is None
    assert streamed.begin(arena) == 0
    for row in rows:
        assert streamed.next_row(arena) is not None
        assert streamed.push(arena, row) == 0
    assert streamed.next_row(arena) is None
    before = contents(arena, streamed).copy()
    assert streamed.push(arena, rows[0]) == INPUT_COMPLETE
    assert (contents(arena, streamed) == before).all()
    arena.check()


@pytest.mark.parametrize("function", ["begin", "push_row"])
def test_wrong_pointers_have_their_codes(function, streamed):
    symbol, row = streamed._symbol(function), ctypes.create_string_buffer(24)
    rest = [row] if function == "push_row" else []
    assert symbol(None, *rest) == NULL_POOLS
    assert symbol(ctypes.byref(pointer_struct(1)(None)), *rest) == NULL_ARENA
    assert symbol(ctypes.byref(pointer_struct(1)(0x1008)), *rest) == ARENA_ALIGNMENT


def test_a_null_row_changes_nothing(streamed, arena):
    assert streamed.begin(arena) == 0
    before = contents(arena, streamed).copy()
    assert streamed._symbol("push_row")(ctypes.byref(arena.pointers), None) == NULL_ROW
    assert (contents(arena, streamed) == before).all()


def test_next_row_of_wrong_pointers_is_null(streamed):
    symbol = streamed._symbol("next_row")
    symbol.restype = ctypes.c_void_p
    assert symbol(None) is None
    assert symbol(ctypes.byref(pointer_struct(1)(None))) is None
    assert symbol(ctypes.byref(pointer_struct(1)(0x1008))) is None


def test_rows_written_where_they_belong_are_not_copied(streamed, arena):
    x = image(streamed, 1)
    assert streamed.begin(arena) == 0
    for row in streamed.rows(x):
        place = streamed.next_row(arena)
        assert place is not None
        arena.at(place, row.nbytes)[:] = row
        assert (
            streamed._symbol("push_row")(ctypes.byref(arena.pointers), ctypes.c_void_p(place)) == 0
        )
    arena.check()
    np.testing.assert_array_equal(streamed.outputs_in(arena)[0], streamed.run([x])[0])


def test_begin_starts_again_at_any_time(streamed, arena):
    first, second = image(streamed, 2), image(streamed, 3)
    for x, rows in ((first, 3), (second, 8), (first, 8)):
        assert streamed.begin(arena) == 0
        assert [streamed.push(arena, row) for row in streamed.rows(x)[:rows]] == [0] * rows
    np.testing.assert_array_equal(streamed.outputs_in(arena)[0], streamed.run([first])[0])


@pytest.mark.parametrize("stream_input", [False, True])
def test_orders_of_many_rows_are_counted_in_more_bits(stream_input, tmp_path):
    """300 rows are more than a byte counts, and a loop of 297 turns more than it says."""

    def body(emit, x):
        padded = island(emit, lambda value: relax.op.nn.pad(value, (0, 0, 1, 2, 0, 0, 0, 0)), x)
        pool = {"pool_size": (3, 1), "strides": (1, 1)}
        return [
            island(emit, lambda value: relax.op.nn.max_pool2d(value, **pool, layout="NHWC"), padded)
        ]

    mod = module({"x": ((1, 300, 2, 3), "int8")}, body, ["y"])
    options = {"minimize": True, "stream_input": stream_input}
    models = [compile_quietly(mod, name="layers"), compile_quietly(mod, name="tall", **options)]
    driver = models[1].files[DRIVER.format("tall")].decode()
    assert "static const uint16_t order[" in driver
    assert "uint16_t done[" in driver
    found = build_library(models, tmp_path)
    x = [image(found["tall"], 10)]
    np.testing.assert_array_equal(found["tall"].run(x)[0], found["layers"].run(x)[0])


def test_instances_take_their_rows_in_turn(streamed):
    images = [image(streamed, seed) for seed in (4, 5, 6)]
    arenas = [Arenas(streamed.program) for _ in images]
    assert [streamed.begin(arena) for arena in arenas] == [0, 0, 0]
    order = np.random.default_rng(7).permutation(np.repeat([0, 1, 2], 8))
    rows = [iter(streamed.rows(x)) for x in images]
    for k in order.tolist():
        assert streamed.push(arenas[k], next(rows[k])) == 0
    for x, arena in zip(images, arenas, strict=True):
        np.testing.assert_array_equal(streamed.outputs_in(arena)[0], streamed.run([x])[0])
        arena.check()


def rows_done(arena, model):
    """How often each operator of the stage has run, as its state says behind a mark and a place."""
    offset = model.program.state_offset + 12
    return contents(arena, model)[offset:][: len(model.program.steps[0])].tolist()


def test_every_row_is_worked_on_as_soon_as_it_is_there(streamed, arena):
    """Most kernels have run before the last row comes: nothing waits for a whole image."""
    rows = streamed.rows(image(streamed, 8))
    done = []
    assert streamed.begin(arena) == 0
    for row in rows:
        assert streamed.push(arena, row) == 0
        done.append(rows_done(arena, streamed))
    calls = [call for call in streamed.program.steps[0] if call.op != SHIFT]
    kept = [call.index for call in calls[:3]]
    done = [[of[k] for k in kept] for of in done]
    # Pushed rows, the stem a row behind, the depthwise convolution another one.
    assert done[:3] == [[1, 0, 0], [2, 1, 0], [3, 2, 1]]
    assert done[-1] == [8, 8, 8]


def test_rows_that_need_no_input_are_made_before_the_first_row(tmp_path):
    """As planned: their memory may be where input comes to lie later."""

    def body(emit, x):
        return [island(emit, lambda value: relax.op.nn.pad(value, (0, 0, 3, 2, 0, 0, 0, 0)), x)]

    mod = module({"x": ((1, 4, 5, 3), "int8")}, body, ["y"])
    stages = [("x_rows", "y")]
    model = compile_quietly(mod, name="early", stream_input=True, stages=stages)
    found = build_library([model], tmp_path)["early"]
    arena = Arenas(model.program)
    assert found.begin(arena) == 0
    assert rows_done(arena, found) == [0, 3]
    x = image(found, 9)
    np.testing.assert_array_equal(found.run([x])[0], np.pad(x, ((0, 0), (3, 2), (0, 0), (0, 0))))
