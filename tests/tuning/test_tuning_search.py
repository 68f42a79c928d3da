"""The search: all executors give the same log, it goes on where it was, nothing gets slower."""

from __future__ import annotations

from concurrent.futures import Executor, Future, ThreadPoolExecutor

import numpy as np
import pytest

import tvm_tiny
from tvm_tiny.micro.firmware import build_firmware
from tvm_tiny.tuning import read_log
from tvm_tiny.tuning.log import Log
from tvm_tiny.tuning.space import choices
from tvm_tiny.tuning.workloads import read_workloads

pytestmark = pytest.mark.qemu

BOARD = "mps2_an386"


class Counting(Executor):
    """Runs at once, in this thread; knows how many kernels it was given."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.kernels, self.batches, self.fail_after = 0, 0, fail_after

    def submit(self, function, /, batch):
        if self.batches == self.fail_after:
            raise KeyboardInterrupt
        self.batches += 1
        self.kernels += len(batch.kernels)
        future = Future()
        future.set_result(function(batch))
        return future


def search(module, **options):
    from tvm_tiny.tuning import tune

    return tune(module, BOARD, **{"jobs": 2, **options})


def test_a_whole_space_is_measured(module, tuned):
    _, log = tuned
    for workload in read_workloads(module, "dsp"):
        measured = {c.choice: m for _, c, m in log if c.workload == workload.key}
        assert set(measured) == set(choices(workload))
        assert [c for c, m in measured.items() if m.default] == [workload.default]


def test_the_log_is_written(tuned):
    path, log = tuned
    assert path.read_text() == log.to_json()


def test_an_executor_changes_nothing(module, tuned):
    with ThreadPoolExecutor(1) as executor:
        assert search(module, executor=executor).to_json() == tuned[1].to_json()


def test_what_is_known_is_not_measured_again(module, tuned):
    executor = Counting()
    assert len(search(module, log=read_log(tuned[0]), executor=executor)) == len(tuned[1])
    assert executor.batches == 0


def test_it_goes_on_where_it_was_interrupted(module, tuned, tmp_path):
    path = tmp_path / "log.json"
    with pytest.raises(KeyboardInterrupt):
        search(module, path=path, executor=Counting(fail_after=1))
    kept = len(read_log(path))
    assert 0 < kept < len(tuned[1])
    executor = Counting()
    assert search(module, path=path, executor=executor).to_json() == tuned[1].to_json()
    # Each firmware has the default once more, to compare with.
    assert executor.kernels <= len(tuned[1]) - kept + executor.batches


def test_few_trials_of_one_seed_are_the_same_ones(module, emulator):
    first, second = (search(module, trials=3, seed=5) for _ in range(2))
    assert first.to_json() == second.to_json()
    assert len(first) < sum(len(choices(w)) for w in read_workloads(module, "dsp"))
    for workload in read_workloads(module, "dsp"):
        assert first.of(next(iter(first))[0], workload.key)[workload.default].default


def test_progress_ends_with_all_of_it(module, tuned):
    states = []
    search(module, log=Log(), trials=2, progress=states.append)
    assert states[-1].measured == states[-1].of
    assert [s.measured for s in states] == sorted(s.measured for s in states)


def run(module, folder, **options):
    compiled = tvm_tiny.build(module, "cortex-m4", **options)
    folder.mkdir()
    compiled.save(folder / "model", folder=True)
    firmware = build_firmware(folder / "model", BOARD, folder / "work")
    x = np.random.default_rng(0).integers(-128, 128, (1, 4, 9, 3)).astype("int8")
    return firmware.run([[x]])


def test_a_tuned_model_is_faster_and_exact(module, tuned, tmp_path):
    default = run(module, tmp_path / "default")
    chosen = read_log(tuned[0]).choices("dsp")
    best = run(module, tmp_path / "tuned", choices=chosen)
    assert best.instructions < default.instructions
    np.testing.assert_array_equal(best.outputs[0][0], default.outputs[0][0])


def test_the_counts_of_the_log_are_those_of_the_model(module, tuned, tmp_path):
    _, log = tuned
    origin = next(iter(log))[0]
    saved = 0
    chosen = log.choices("dsp")
    for workload in read_workloads(module, "dsp"):
        measured = log.of(origin, workload.key)
        best = measured[chosen[workload.key]].instructions
        saved += measured[workload.default].instructions - best
    plain = {w.key: w.default for w in read_workloads(module, "dsp")}
    default = run(module, tmp_path / "default", choices=plain).instructions[0]
    best = run(module, tmp_path / "tuned", choices=chosen).instructions[0]
    assert default - best == pytest.approx(saved, rel=0.02)
