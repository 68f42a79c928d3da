"""MetaSchedule's builder and runner, which measure several candidates in one firmware.

The builder makes a candidate's C in this process, where TVM is. The runner hands kernels to an
executor, several for each firmware, which compiles them and counts their instructions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from threading import Lock

from tvm.ir import IRModule
from tvm.ir.utils import derived_object
from tvm.s_tir.meta_schedule.builder import BuilderInput, BuilderResult, PyBuilder
from tvm.s_tir.meta_schedule.runner import PyRunner, PyRunnerFuture, RunnerInput, RunnerResult

from .candidates import make_batch, make_kernel
from .firmware import Kernel, measure
from .log import Candidate, Log, Measured, Origin
from .space import choice_in, choices, workload_in
from .workloads import Workload

# Least number of kernels that are worth a firmware of their own.
_FEWEST = 2


@dataclass
class Measurer:
    """Measures candidates that the log does not have yet, and adds them to the log.

    executor  runs `firmware.measure`
    jobs      number of firmwares among which a batch is divided
    noted     is called with the workload whenever the log has grown
    """

    origin: Origin
    workloads: Mapping[str, Workload]
    log: Log
    executor: Executor
    jobs: int
    noted: Callable[[Workload], None] = lambda workload: None

    def __post_init__(self) -> None:
        self._kernels: dict[Candidate, Kernel] = {}
        self._lock = Lock()

    def candidate(self, module: IRModule) -> Candidate:
        """The candidate that a module of MetaSchedule stands for."""
        key = workload_in(module)
        return Candidate(key, choice_in(self.workloads[key], module))

    def known(self, candidate: Candidate) -> Measured | None:
        """The measurement of a candidate in the log, or None."""
        return self.log.get(self.origin, candidate)

    def build(self, candidate: Candidate) -> None:
        """Makes the C of a candidate unless the log knows it."""
        if self.known(candidate) is None:
            self._make(candidate)

    def _make(self, candidate: Candidate) -> None:
        if candidate not in self._kernels:
            workload = self.workloads[candidate.workload]
            self._kernels[candidate] = make_kernel(workload, candidate.choice)

    def start(self, key: str, wanted: Sequence[Candidate]) -> Mapping[Candidate, Firmware]:
        """Starts to measure candidates of a workload; the firmware of each new candidate."""
        workload = self.workloads[key]
        default, widest = (Candidate(key, c) for c in (workload.default, choices(workload)[-1]))
        # The widest choice is always measured, since a build without a log may take it.
        new = [c for c in dict.fromkeys([*wanted, widest]) if self.known(c) is None]
        for candidate in (default, *new) if new else ():
            self._make(candidate)
        started: dict[Candidate, Firmware] = {}
        for part in _divided([c for c in new if c != default], self.jobs) if new else ():
            firmware = self._submit(workload, (default, *part))
            started.update(dict.fromkeys(firmware.candidates, firmware))
        return started

    def _submit(self, workload: Workload, together: tuple[Candidate, ...]) -> Firmware:
        kernels = [self._kernels[c] for c in together]
        batch = make_batch(self.origin.board, workload, kernels)
        firmware = Firmware(together, self.executor.submit(measure, batch))
        firmware.counts.add_done_callback(lambda _: self.note(firmware))
        return firmware

    def note(self, firmware: Firmware) -> None:
        """Adds a firmware's counts to the log when it is done without an error."""
        counts = firmware.counts
        if counts.cancelled() or counts.exception() is not None:
            return
        with self._lock:
            new = [c for c in firmware.candidates if self.known(c) is None]
            for candidate, instructions in zip(firmware.candidates, counts.result(), strict=True):
                if candidate in new and instructions is not None:
                    self.log.add(self.origin, candidate, self._measured(candidate, instructions))
            if new:
                self.noted(self.workloads[firmware.candidates[0].workload])

    def _measured(self, candidate: Candidate, instructions: int) -> Measured:
        scratch = self._kernels[candidate].scratch_bytes
        default = candidate.choice == self.workloads[candidate.workload].default
        return Measured(instructions, scratch, default)


@dataclass(frozen=True)
class Firmware:
    """Candidates that are measured together. counts: None for those that do not fit."""

    candidates: tuple[Candidate, ...]
    counts: Future[list[int | None]]


def _divided(candidates: Sequence[Candidate], jobs: int) -> Iterator[Sequence[Candidate]]:
    """Candidates in parts of equal size, one for each firmware.

    Without candidates there is one empty part, for a firmware of the default alone.
    """
    size = max(_FEWEST, -(-len(candidates) // jobs))
    for first in range(0, max(len(candidates), 1), size):
        yield candidates[first : first + size]


@derived_object
class Builder(PyBuilder):
    """MetaSchedule's builder: turns candidates into C, which stays in memory.

    Its artifacts are the candidates' numbers.
    """

    def __init__(self, measurer: Measurer, candidates: list[Candidate]) -> None:
        super().__init__()
        self.measurer, self.candidates = measurer, candidates

    def build(self, build_inputs: list[BuilderInput]) -> list[BuilderResult]:
        """See PyBuilder."""
        results = []
        for build_input in build_inputs:
            candidate = self.measurer.candidate(build_input.mod)
            self.measurer.build(candidate)
            results.append(BuilderResult(str(len(self.candidates)), None))
            self.candidates.append(candidate)
        return results


@derived_object
class Runner(PyRunner):
    """MetaSchedule's runner: turns numbers of candidates into futures of their instructions."""

    def __init__(self, measurer: Measurer, candidates: list[Candidate]) -> None:
        super().__init__()
        self.measurer, self.candidates = measurer, candidates

    def run(self, runner_inputs: list[RunnerInput]) -> list[Counted]:
        """See PyRunner; all candidates of a call are of one workload."""
        wanted = [self.candidates[int(given.artifact_path)] for given in runner_inputs]
        if not wanted:  # the search may find nothing new
            return []
        started = self.measurer.start(wanted[0].workload, wanted)
        return [Counted(self.measurer, c, started.get(c)) for c in wanted]


@derived_object
class Counted(PyRunnerFuture):
    """A future of a candidate's instructions, which MetaSchedule takes for seconds.

    It is never done before its result is asked for. So the search depends on counts only, and not
    on which of them came first.
    """

    def __init__(self, measurer: Measurer, candidate: Candidate, firmware: Firmware | None) -> None:
        super().__init__()
        self.measurer, self.candidate, self.firmware = measurer, candidate, firmware

    def done(self) -> bool:
        """See PyRunnerFuture."""
        return False

    def result(self) -> RunnerResult:
        """See PyRunnerFuture. Raises what `firmware.measure` does."""
        if self.firmware is not None:
            self.firmware.counts.result()
            self.measurer.note(self.firmware)
        measured = self.measurer.known(self.candidate)
        if measured is None:
            return RunnerResult(None, "the board has no room for it")
        return RunnerResult([float(measured.instructions)], None)
