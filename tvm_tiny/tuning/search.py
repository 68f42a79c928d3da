"""MetaSchedule's evolutionary search over choices, guided by its XGBoost cost model."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

import numpy as np
import tvm_ffi
from tvm.ir import IRModule
from tvm.s_tir import meta_schedule as ms
from tvm.s_tir.meta_schedule.cost_model.xgb_model import XGBConfig, XGBModel
from tvm.s_tir.meta_schedule.measure_callback import AddToDatabase, UpdateCostModel

from tvm_tiny.frontend import from_file

from .features import Features
from .log import Candidate, Log
from .log_reader import read_log
from .measurer import Builder, Measurer, Runner
from .mutator import Redecide
from .space import choices, module_of, schedules
from .summary import origin_of
from .workloads import Workload, merged, read_workloads

Model: TypeAlias = IRModule | str | Path

# An interrupt mostly happens in a Python function that TVM calls, which must pass it on.
tvm_ffi.register_error("KeyboardInterrupt", KeyboardInterrupt)

# MetaSchedule requires a target, but no code is generated for it.
_TARGET = "c"

_INTRINSICS = "tvm.s_tir.tensor_intrin"

# Candidates of a workload that are chosen together, from one state of the cost model.
_BATCH = 4

# Number of measurements from which on the cost model is used.
_WARM_UP = 16

# Parameters of TVM's evolution for small search spaces.
_EVOLUTION = {
    "population_size": 24,
    "init_min_unmeasured": 1,
    "max_fail_count": 3,
    "genetic_num_iters": 2,
    "genetic_max_fail_count": 4,
}


@dataclass(frozen=True)
class Progress:
    """Progress of a search.

    measured  candidates measured so far, of all workloads
    of        most candidates that can be measured
    layer     name of the layer measured last
    """

    measured: int
    of: int
    layer: str


def tune(
    model: Model | Sequence[Model],
    board: str,
    *,
    log: Log | None = None,
    path: Path | None = None,
    executor: Executor | None = None,
    jobs: int | None = None,
    trials: int = 64,
    seed: int = 0,
    progress: Callable[[Progress], None] = lambda state: None,
) -> Log:
    """Counts the instructions of choices for the products of one or several models.

    model     a QDQ Relax module, or a file as `from_file` takes
    board     name of an emulated board
    log       earlier measurements, to which new ones are added; by default the log in `path`
    path      file to which the log is written after every firmware
    executor  builds and runs firmware (see `firmware`); by default threads of this machine
    jobs      firmwares for a batch of candidates
    trials    most candidates of a workload; its default is measured in any case
    seed      a seed gives the same log each time, with any executor

    Raises the errors of `from_file`, DataError for a board that is not emulated or a file that is
    no log, VerificationError where a candidate gives other results than the default, BoardError
    where firmware fails or does not fit, ToolchainError without compiler or emulator.
    """
    models = [model] if isinstance(model, IRModule | str | Path) else list(model)
    origin = origin_of(board)
    found = merged(read_workloads(_imported(model), origin.isa) for model in models)
    workloads = {workload.key: workload for workload in found}
    known = _opened(path) if log is None else log
    jobs = jobs or os.cpu_count() or 1
    own = ThreadPoolExecutor(jobs) if executor is None else nullcontext(executor)
    most = sum(min(len(choices(workload)), trials) for workload in found)

    def noted(workload: Workload) -> None:
        if path is not None:
            known.save(path)
        measured = sum(o == origin and c.workload in workloads for o, c, _ in known)
        progress(Progress(min(measured, most), most, workload.name))

    with own as pool:
        if workloads:
            _search(Measurer(origin, workloads, known, pool, jobs, noted), trials, seed, most)
    if path is not None:
        known.save(path)
    return known


def _imported(model: Model) -> IRModule:
    return model if isinstance(model, IRModule) else from_file(model)


def _opened(path: Path | None) -> Log:
    return read_log(path) if path is not None and path.exists() else Log()


def _search(measurer: Measurer, trials: int, seed: int, most: int) -> None:
    workloads = list(measurer.workloads.values())
    with without_gpu_intrinsics():
        tasks = [_task(workload, seed + k) for k, workload in enumerate(workloads)]
    candidates: list[Candidate] = []
    with _seeded(seed), tempfile.TemporaryDirectory(prefix="tvm-tiny-") as folder:
        ms.tune.tune_tasks(
            tasks=tasks,
            task_weights=[float(workload.layers) for workload in workloads],
            work_dir=folder,
            max_trials_global=most,
            max_trials_per_task=trials,
            num_trials_per_iter=_BATCH,
            builder=Builder(measurer, candidates),
            runner=Runner(measurer, candidates),
            database=ms.database.MemoryDatabase(),
            cost_model=cost_model(measurer.workloads),
            measure_callbacks=[UpdateCostModel(), AddToDatabase()],
            task_scheduler=ms.task_scheduler.GradientBased(seed=seed + 1),
        )


def _task(workload: Workload, seed: int) -> ms.TuneContext:
    space = ms.space_generator.ScheduleFn(
        schedules(workload), sch_rules=[], postprocs=[], mutator_probs={Redecide(seed): 1.0}
    )
    return ms.TuneContext(
        module_of(workload),
        target=_TARGET,
        space_generator=space,
        search_strategy=ms.search_strategy.EvolutionarySearch(**_EVOLUTION),
        task_name=workload.name,
        rand_state=seed + 1,  # TVM takes 0 for no seed
        num_threads=1,  # with more, the order of candidates would vary
    )


def cost_model(workloads: Mapping[str, Workload], warm_up: int = _WARM_UP) -> XGBModel:
    """TVM's XGBoost cost model with our features."""
    return XGBModel(
        extractor=Features(workloads),
        config=XGBConfig(nthread=1),
        num_warmup_samples=warm_up,
        early_stopping_rounds=20,
        adaptive_training=False,
    )


@contextmanager
def without_gpu_intrinsics() -> Iterator[None]:
    """Keeps TuneContext from importing the tensor intrinsics of all GPUs, which takes 10 s."""
    if _INTRINSICS in sys.modules:
        yield
        return
    sys.modules[_INTRINSICS] = ModuleType(_INTRINSICS)
    try:
        yield
    finally:
        del sys.modules[_INTRINSICS]


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seeds NumPy's global state, from which TVM's cost model draws until it has data."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)
