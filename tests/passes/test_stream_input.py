"""StreamInput: only push reads the input; the same bytes, and no memory for it."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from int8_graphs import add, conv, random_graph, random_input
from islands import module, names, run
from tvm import relax

from tvm_tiny import ops
from tvm_tiny.errors import UnsupportedError
from tvm_tiny.lowering.graph import read_graph
from tvm_tiny.planning.memory import plan
from tvm_tiny.relax_rewrite import bindings_of
from tvm_tiny.transform import LowerToRowKernels, StreamInput, StreamStages

NHWC = (1, 9, 5, 3)


def branches(emit, x):
    """The input is read twice."""
    return emit(add(emit(conv(x, 3), name_hint="a"), x), name_hint="y")


def test_push_comes_first_and_alone_reads_the_input():
    def expected(emit, x):
        rows = emit(ops.call("push", [x]))
        return emit(emit(add(emit(conv(rows, 3)), rows)))

    mod = module(branches, NHWC)
    streamed = StreamInput()(mod)
    assert relax.analysis.check_well_formed(streamed)
    tvm.ir.assert_structural_equal(streamed["main"], module(expected, NHWC)["main"])
    assert bindings_of(streamed["main"])[0].var.name == "x0_rows"


def test_the_given_module_is_not_changed():
    mod = module(branches, NHWC)
    before = mod.script(show_meta=True)
    StreamInput()(mod)
    assert mod.script(show_meta=True) == before


@pytest.mark.parametrize("seed", range(4))
def test_random_graphs_give_the_same_bytes(seed):
    mod = random_graph(seed + 200, operators=4)
    x = random_input(mod, seed)
    streamed = StreamInput()(mod)
    staged = StreamStages([(0, len(names(streamed)) - 1)])(streamed) if seed % 2 else streamed
    for expected, found in zip(run(mod, x), run(LowerToRowKernels()(staged), x), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_input_has_no_memory_but_a_window_of_rows():
    streamed = StreamInput()(module(lambda emit, x: emit(conv(x, 3), name_hint="y"), NHWC))
    graph = read_graph(LowerToRowKernels()(StreamStages([(0, 1)])(streamed)))
    assert graph.streamed == set(graph.inputs)
    offsets = plan(graph).offsets
    sizes = {graph.storage[s].name: graph.storage[s].bytes for s in offsets}
    assert sizes == {"y": 9 * 5 * 3, "x0_rows": 3 * 5 * 3}


@pytest.mark.parametrize("shape", [(9, 4), (1, 9, 4), (1, 2, 1, 1), (1, 1, 9, 4)])
def test_what_has_rows_can_be_streamed(shape):
    mod = module(lambda emit, x: emit(ops.call("copy", [x], dtype="int8")), shape)
    rows = [d for d in shape if d > 1]
    if shape in ((9, 4), (1, 2, 1, 1)):
        (step, _) = read_graph(LowerToRowKernels()(StreamInput()(mod))).steps
        assert step.operators[0].row_op.events == rows[0]
        return
    # Of [1, 9, 4] a row is everything, of [1, 1, 9, 4] too.
    with pytest.raises(UnsupportedError, match="it has no rows to stream"):
        StreamInput()(mod)


def two(emit, x, y):
    return emit(add(x, y))


@pytest.mark.parametrize(
    ("build", "shapes", "message"),
    [
        (two, [NHWC, NHWC], "the model has 2 inputs, one is supported.*without --stream-input"),
        (branches, [(2, 9, 5, 3)], r"'x0' is int8 \[2, 9, 5, 3\]: it has no rows"),
        (lambda emit: relax.const(np.zeros(3, "int8")), [], "the model has 0 inputs"),
        (lambda emit, x: emit(ops.call("copy", [x], dtype="int8")), [(5,)], r"\[5\]: it has no"),
    ],
)
def test_what_cannot_be_streamed_is_refused_with_the_reason(build, shapes, message):
    with pytest.raises(UnsupportedError, match=f"streamed input: .*{message}"):
        StreamInput()(module(build, *shapes))


def test_an_input_that_is_an_output_is_refused():
    builder, x = relax.BlockBuilder(), relax.Var("x0", relax.TensorType(NHWC, "int8"))
    with builder.function("main", [x]):
        builder.emit_func_output(x)
    with pytest.raises(UnsupportedError, match="input 'x0' is an output as well"):
        StreamInput()(builder.get())
