"""The log of a tuning run: measurements of candidates, and the best choices.

It is a JSON file (schemas/tuning_log.json), sorted so that logs of several runs can be compared,
kept under version control and merged.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tvm_tiny.errors import DataError
from tvm_tiny.schedules.packed.choice import Choice

from .versions import kernels_version

VERSION = 1
KIND = "tvm-tiny tuning log"


@dataclass(frozen=True, order=True)
class Origin:
    """The tools and board of a measurement; only counts of one origin can be compared.

    compiler  name and version
    kernels   hash of the micro-kernels and the schedules around them, see
              `versions.kernels_version`
    """

    isa: str
    board: str
    compiler: str
    kernels: str


@dataclass(frozen=True, order=True)
class Candidate:
    """A choice for a workload, which is a key as `passes.select_kernels.workload` gives it."""

    workload: str
    choice: Choice


@dataclass(frozen=True)
class Measured:
    """The measurement of a candidate.

    instructions  count for the whole layer
    default       whether the candidate is what a build without a log takes
    """

    instructions: int
    scratch_bytes: int
    default: bool


class Log:
    """Measurements by origin and candidate."""

    def __init__(self) -> None:
        self._known: dict[tuple[Origin, Candidate], Measured] = {}

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[tuple[Origin, Candidate, Measured]]:
        for origin, candidate in sorted(self._known):
            yield origin, candidate, self._known[origin, candidate]

    def add(self, origin: Origin, candidate: Candidate, measured: Measured) -> None:
        """Notes a measurement, which replaces an earlier one of the candidate."""
        self._known[origin, candidate] = measured

    def get(self, origin: Origin, candidate: Candidate) -> Measured | None:
        """The measurement of a candidate, or None."""
        return self._known.get((origin, candidate))

    def merge(self, other: Log) -> None:
        """Adds all measurements of another log."""
        self._known.update(other._known)

    def of(self, origin: Origin, workload: str) -> dict[Choice, Measured]:
        """All measurements of a workload, by choice."""
        found = ((o, c, m) for o, c, m in self if o == origin and c.workload == workload)
        return {candidate.choice: measured for _, candidate, measured in found}

    def choices(
        self, isa: str, board: str | None = None, *, scratch: int | None = None
    ) -> dict[str, Choice]:
        """The best choice of each workload, for `tvm_tiny.build(choices=...)`.

        No choice was measured slower than the default; workloads whose default was not measured
        are left out.

        board    board whose counts to use where the log has several; by default the first by name
        scratch  most bytes of scratch that a kernel may need beyond the default; None: any number.
                 With a limit, workloads for which nothing faster fits are left out too: a build
                 takes what scratch memory is free in its arena.


        Raises DataError where the log has nothing for this instruction set.
        """
        origins = sorted({origin for origin, _, _ in self if origin.isa == isa})
        if not origins:
            known = ", ".join(sorted({origin.isa for origin, _, _ in self})) or "none"
            raise DataError(
                f"tuning log: nothing for the instruction set '{isa}' (it has {known}); tune on a "
                "board that has it"
            )
        newest = kernels_version(isa)
        origins.sort(key=lambda o: (o.board != board, o.kernels != newest, o))
        found: dict[str, Choice] = {}
        for origin in reversed(origins):  # the first origin comes last and so overrides the others
            for workload in {c.workload for o, c, _ in self if o == origin}:
                measured = self.of(origin, workload)
                fastest, choice = best(measured), best(measured, scratch)
                if choice is None or (choice != fastest and measured[choice].default):
                    found.pop(workload, None)
                else:
                    found[workload] = choice
        return dict(sorted(found.items()))

    def is_old(self, isa: str) -> bool:
        """Whether all measurements are of other micro-kernels than the current ones."""
        newest = kernels_version(isa)
        return all(origin.kernels != newest for origin, _, _ in self if origin.isa == isa)

    def to_json(self) -> str:
        """The log as the text of its file."""
        entries = [
            {**asdict(origin), **asdict(candidate), **asdict(measured)}
            for origin, candidate, measured in self
        ]
        document = {"version": VERSION, "kind": KIND, "measurements": entries}
        return json.dumps(document, indent=1) + "\n"

    def save(self, path: Path) -> None:
        """Writes the file, whole or not at all; DataError if it cannot be written."""
        try:
            _replace(path, self.to_json())
        except OSError as error:
            raise DataError(f"tuning log '{path}' cannot be written: {error.strerror}") from None


def best(measured: Mapping[Choice, Measured], scratch: int | None = None) -> Choice | None:
    """The fastest choice, or None if the default was not measured.

    Of equally fast choices it is the default, or else the one of least scratch.
    """
    if not any(m.default for m in measured.values()):
        return None
    usual = min(m.scratch_bytes for m in measured.values() if m.default)
    fitting = {
        choice: m
        for choice, m in measured.items()
        if scratch is None or m.scratch_bytes <= usual + scratch
    }
    return min(
        fitting,
        key=lambda choice: (
            fitting[choice].instructions,
            not fitting[choice].default,
            fitting[choice].scratch_bytes,
            choice,
        ),
    )


def _replace(path: Path, text: str) -> None:
    folder = path.absolute().parent
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
