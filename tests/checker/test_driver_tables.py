"""The numbers that generated C is driven by: replayed, and refused where they do harm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from aot.edge_models import EDGE_MODELS
from aot.host_library import HostModel, build_library
from aot.pool_models import CASES, network
from aot.relax_models import bottleneck
from aot.test_edge_models import compile_quietly
from aot.test_patches import patched
from checker.driver_mutations import MUTATIONS, put
from hypothesis import given, settings
from hypothesis import strategies as st
from modelgen import random_tflite
from modelgen.image_graphs import ImageGraph

import tvm_tiny
from tvm_tiny import CompiledModel
from tvm_tiny.aot import Program, driver_of, read_program
from tvm_tiny.aot.orders import order_table
from tvm_tiny.checker import OrderTable, check_plan
from tvm_tiny.checker.faults import BLAME
from tvm_tiny.checker.orders import decoded
from tvm_tiny.errors import PlanError
from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.lowering.graph import Operator, Step
from tvm_tiny.schedules.stages.looped import DEPTH, looped

PLACES = 100  # at which corruption is refused, at least
ORDERS = ["other_number", "swapped", "other_start"]
OTHERS = sorted(set(MUTATIONS) - set(ORDERS))


@pytest.fixture(scope="module")
def models() -> list[CompiledModel]:
    """Stages, rows that shift, skewed rows, streamed rows, tiles, layers, pools, copied weights."""
    small = EDGE_MODELS["network"]
    portable = {"kernels": "portable"}
    return [
        compile_quietly(small(), name="least", minimize=True),
        compile_quietly(small(), name="streamed", minimize=True, stream_input=True),
        compile_quietly(small(), name="circular", sram=580, **portable),
        compile_quietly(small(), name="skewed", sram=600, **portable),
        compile_quietly(bottleneck(), name="backward"),
        network("copied", *CASES["pushed_copied"][:2], **CASES["pushed_copied"][2]),
        patched(ImageGraph(0), "tiles"),
        patched(ImageGraph(3), "more_tiles"),
        compile_quietly(from_tflite(random_tflite.random_model(5)), name="random", minimize=True),
    ]


def refusal(model: CompiledModel, program: Program) -> str | None:
    try:
        check_plan(model.module, driver_of(program))
    except PlanError as error:
        message = str(error)
        assert message.startswith("memory plan: ")
        assert message.endswith(BLAME)
        assert "\n" not in message
        return message
    return None


def images(program: Program) -> Iterator[list[np.ndarray]]:
    for seed in range(2):
        random = np.random.default_rng(seed)
        ports = program.interface.inputs
        yield [random.integers(0, 100, port.shape).astype(port.dtype) for port in ports]


def same_outputs(model: HostModel, other: HostModel) -> bool:
    return all(
        np.array_equal(found, wanted)
        for image in images(model.program)
        for found, wanted in zip(model.run(image), other.run(image), strict=True)
    )


def check_corrupted(
    models: list[CompiledModel], kinds: list[str], tries: int, folder: Path
) -> Counter[str]:
    """Each corrupted program is refused, or its C computes the same; kinds of those refused."""
    found: Counter[str] = Counter()
    # In one library, each under a name of its own: the same change of a program of that name.
    harmless: dict[str, CompiledModel] = {}
    changed_models = []
    for turn in range(tries):
        kind, model = kinds[turn % len(kinds)], models[turn // len(kinds) % len(models)]
        changed = MUTATIONS[kind](Random(turn), model.program)
        if changed is not None and refusal(model, changed) is not None:
            found[kind] += 1
        elif changed is not None:
            name = f"{kind}_{turn}"
            program = MUTATIONS[kind](Random(turn), read_program(model.module, name))
            harmless[name] = model
            changed_models.append(replace(model, program=program))
    library = build_library([*models, *changed_models], folder, flags=("-O0",))
    for name, model in harmless.items():
        assert same_outputs(library[name], library[model.program.name]), name
    print(f"{found.total()} refused, {len(harmless)} harmless: {dict(found)}")
    return found


def test_corrupted_orders_are_refused_or_harmless(models, tmp_path):
    found = check_corrupted(models, ORDERS, 200, tmp_path)
    assert found.total() >= PLACES
    assert set(found) == set(ORDERS)


def test_other_corrupted_numbers_are_refused_or_harmless(models, tmp_path):
    found = check_corrupted(models, OTHERS, 150, tmp_path)
    assert found.total() >= PLACES
    assert set(found) == set(OTHERS)


@pytest.mark.models
def test_corrupted_tables_of_a_real_model_are_refused_or_harmless(model_path, tmp_path):
    mod = tvm_tiny.from_file(model_path("kws_ref_model.tflite"))
    model = compile_quietly(mod, name="kws", minimize=True)
    assert check_corrupted([model], ORDERS + OTHERS, 36, tmp_path).total() > 20


def test_what_is_emitted_is_proved(models):
    for model in models:
        proof = check_plan(model.module, driver_of(model.program))
        assert proof == check_plan(model.module)


def with_number(program: Program, place: int, number: int) -> Program:
    """A program whose one order has another number in a place."""
    (index,) = (k for k, order in enumerate(program.orders) if order is not None)
    order = program.orders[index]
    changed = replace(order, numbers=put(order.numbers, place, number))
    return replace(program, orders=put(program.orders, index, changed))


# Of the order 0 7x(0 1 2 3) 1 2 3, whose table is 0, 0 1 2 3, 5 4 7, 1 2 3, 4.
@pytest.mark.parametrize(
    ("place", "number", "message"),
    [
        (8, 0, "has an order whose number 8 runs 'stem' once more, all its events being done"),
        (6, 0, "has an order whose number 5 begins a loop with a loop's end"),
        (5, 8, "has an order whose number 5 counts a loop at level 3"),
        (6, 8, "has an order whose number -3 is beside the table of 12"),
        (11, 5, "has an order whose number 12 is beside the table of 12"),
        (8, 4, "ends its order when event 7 of 'depthwise' has not run yet"),
    ],
)
def test_a_refusal_names_the_stage_and_the_place(models, place, number, message):
    found = refusal(models[0], with_number(models[0].program, place, number))
    stage = "memory plan: the generated C of the stage 'stem' to 'pooled_sums' "
    assert found.startswith(f"{stage}{message}; ")


def test_a_row_that_is_read_too_early_is_named(models):
    found = refusal(models[0], with_number(models[0].program, 1, 1))
    assert "event 0 of 'depthwise' (qdepthwise) needs row 1 of 'stem', but" in found


NESTED = st.recursive(
    st.lists(st.integers(0, 3), min_size=1, max_size=4),
    lambda inner: (
        st.builds(lambda order, times: order * times, inner, st.integers(2, 6))
        | st.builds(lambda one, other: one + other, inner, inner)
    ),
    max_leaves=6,
)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(NESTED, min_size=1, max_size=3))
def test_orders_are_decoded_as_they_were(orders):
    emitted = order_table([looped(order) for order in orders], 5)
    table = OrderTable(emitted.numbers, 5, DEPTH, emitted.starts)
    operators = tuple(Operator((), 0, "", None) for _ in range(4))
    step = Step(0, "f", "stage", 0, (), (), "s", operators)
    for row, order in enumerate(orders):
        assert [call for _, call in decoded(step, table, row)] == order
