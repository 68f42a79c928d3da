"""The cost model ranks candidates that it has not seen."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from repository import ROOT
from tools import SHARED_MATERIAL, missing
from tvm.s_tir import Schedule

from tvm_tiny.frontend import from_file
from tvm_tiny.tuning.candidates import make_batch, make_kernel
from tvm_tiny.tuning.firmware import measure
from tvm_tiny.tuning.space import choice_in, choices, module_of, schedules
from tvm_tiny.tuning.workloads import read_workloads

pytestmark = [pytest.mark.qemu, pytest.mark.models, pytest.mark.slow]

BOARD = "mps2_an386"
MODELS = ROOT.parent / "shared" / "models"
RESNET, MCUNET = "pretrainedResnet_quant.tflite", "mcunet_vww1.tflite"

# Shapes of inputs and filters. The cost model learns from some of the layers and is asked for one
# of which it has seen nothing.
SEEN = {
    RESNET: ["(1, 32, 32, 3), (16,", "(1, 32, 32, 16), (32,", "(1, 16, 16, 32), (32,"],
    MCUNET: ["(1, 40, 40, 16), (8,", "(1, 20, 20, 48), (16,", "(1, 20, 20, 16), (48,"],
}
UNSEEN = [(RESNET, "(1, 32, 32, 16), (16, 3, 3,"), (MCUNET, "(1, 40, 40, 8), (48, 1, 1,")]


def layer(model, shape):
    path = MODELS / model
    if not path.exists():
        missing(SHARED_MATERIAL, f"needs {model} of it, which is not on this machine")
    (found,) = [w for w in read_workloads(from_file(path), "dsp") if shape in w.key]
    return found


def candidates(workload):
    """The whole space as MetaSchedule has it, and what each candidate takes."""
    from tvm.s_tir.meta_schedule import MeasureCandidate

    module = module_of(workload)
    kernels = [make_kernel(workload, choice) for choice in choices(workload)]
    counts = dict(
        zip(choices(workload), measure(make_batch(BOARD, workload, kernels)), strict=True)
    )
    found = []
    for space in schedules(workload)(Schedule(module)):
        decisions = list(space.trace.decisions)
        for values in product(*(range(len(d.attrs[0])) for d in decisions)):
            trace = space.trace
            for decision, value in zip(decisions, values, strict=True):
                trace = trace.with_decision(decision, value, remove_postproc=True)
            schedule = Schedule(module)
            trace.apply_to_schedule(schedule, remove_postproc=True)
            found.append(MeasureCandidate(schedule, []))
    return found, [counts[choice_in(workload, c.sch.mod)] for c in found]


def context(workload):
    from tvm.s_tir import meta_schedule as ms

    from tvm_tiny.tuning.search import without_gpu_intrinsics

    with without_gpu_intrinsics():
        return ms.TuneContext(module_of(workload), target="c", num_threads=1)


def rank_correlation(first, second):
    """Spearman's: Pearson's of the ranks. Equal counts have the mean of their ranks."""
    ranks = [
        [np.mean(np.flatnonzero(np.sort(values) == value)) for value in values]
        for values in map(np.asarray, (first, second))
    ]
    return float(np.corrcoef(ranks)[0, 1])


@pytest.fixture(scope="module")
def trained(emulator):
    from tvm.s_tir.meta_schedule.runner import RunnerResult

    from tvm_tiny.tuning.search import cost_model

    seen = [layer(model, shape) for model, shapes in SEEN.items() for shape in shapes]
    unseen = [layer(model, shape) for model, shape in UNSEEN]
    model = cost_model({workload.key: workload for workload in (*seen, *unseen)}, warm_up=1)
    for workload in seen:
        found, counts = candidates(workload)
        results = [RunnerResult([float(count)], None) for count in counts]
        model.update(context(workload), found, results)
    return model, unseen


@pytest.mark.parametrize("position", range(len(UNSEEN)), ids=["3x3", "pointwise"])
def test_candidates_of_a_layer_never_seen_are_ranked(trained, position):
    model, unseen = trained
    workload = unseen[position]
    found, counts = candidates(workload)
    scores = model.predict(context(workload), found)
    assert len(counts) >= 15
    correlation = rank_correlation(-np.asarray(counts), scores)
    print(f"rank correlation {correlation:.3f} of {len(counts)} candidates")
    assert correlation >= 0.8
