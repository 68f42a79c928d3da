"""The search space: every choice is a candidate, and candidates say which choice they are."""

from __future__ import annotations

import numpy as np
import pytest
from tvm.s_tir import Schedule

from tvm_tiny.schedules.packed.choice import Choice
from tvm_tiny.tuning.features import features, line
from tvm_tiny.tuning.space import choice_in, choices, module_of, schedules, workload_in
from tvm_tiny.tuning.workloads import merged, read_workloads


@pytest.fixture(scope="module")
def workloads(module):
    return read_workloads(module, "dsp")


@pytest.fixture(scope="module")
def convolution(workloads):
    return workloads[0]


def test_the_products_of_a_model_are_found(workloads):
    assert [w.module["main"].params[0].ty.shape[-1] for w in workloads] == [3, 7, 4 * 9 * 6]
    assert [w.layers for w in workloads] == [1, 1, 1]


def test_equal_layers_are_one_workload(workloads):
    both = merged([workloads, workloads[:1]])
    assert [w.layers for w in both] == [2, 1, 1]


@pytest.mark.parametrize("isa", ["plain", "mve"])
def test_other_instruction_sets_have_spaces_of_their_own(module, isa):
    for workload in read_workloads(module, isa):
        found = choices(workload)
        assert workload.default in found
        assert all(c.chunk == 1 and (c.pixels, c.filters) in workload.isa.tiles for c in found)


def test_the_space_holds_the_default_and_each_choice_once(workloads):
    for workload in workloads:
        found = choices(workload)
        assert workload.default in found
        assert len(found) == len(set(found))


def test_chunks_are_as_many_tiles_as_a_row_has(convolution, workloads):
    assert max(c.chunk for c in choices(convolution)) == 4  # of two of 9 pixels
    assert choices(workloads[2]) == [Choice(1, 2), Choice(1, 4)]  # one pixel: nothing to share


def test_candidates_are_read_back(convolution):
    drawn, module = set(), module_of(convolution)
    for seed in range(40):
        schedule = Schedule(module, seed=seed + 1)
        for candidate in schedules(convolution)(schedule):
            assert workload_in(candidate.mod) == convolution.key
            drawn.add(choice_in(convolution, candidate.mod))
    assert drawn == set(choices(convolution))


def test_a_mutation_is_another_candidate_of_the_space(convolution):
    from tvm_tiny.tuning.mutator import Redecide

    mutator = Redecide(3)
    for candidate in schedules(convolution)(Schedule(module_of(convolution), seed=1)):
        before = choice_in(convolution, candidate.mod)
        replayed = Schedule(module_of(convolution))
        mutator.apply(candidate.trace).apply_to_schedule(replayed, remove_postproc=True)
        after = choice_in(convolution, replayed.mod)
        assert after in choices(convolution)
        assert after != before


def test_what_cannot_be_decided_otherwise_is_not_mutated(workloads):
    from tvm_tiny.tuning.mutator import Redecide

    schedule = Schedule(module_of(workloads[2]), seed=1)
    schedule.sample_categorical([1], [1.0])
    fixed = Schedule(module_of(workloads[2]), seed=1)
    fixed.sample_categorical([1], [1.0])
    assert Redecide(0).apply(fixed.trace) is None


def test_features_tell_choices_apart(workloads):
    for workload in workloads:
        lines = [line(workload, choice) for choice in choices(workload)]
        assert all(np.isfinite(found).all() for found in lines)
        assert len({found.tobytes() for found in lines}) == len(lines)


def test_features_count_the_work(convolution):
    found = features(convolution, Choice(2, 2, 3))
    rows, columns, count, size = 4, 9, 7, 27
    assert found["results"] == rows * columns * count
    assert found["gathered"] == rows * columns * size
    blocks, quads = 4, 7  # of two filters, of four elements
    assert found["wide_quads"] == rows * 4 * blocks * quads
    assert found["narrow_quads"] == rows * 1 * blocks * quads  # the pixel that is left
    assert found["widened_quads"] == rows * 2 * blocks * quads
