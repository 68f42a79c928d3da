"""The log of a tuning run: what each candidate took; and what is best of it.

A JSON file (schemas/tuning_log.json), sorted, so that logs of several runs can be compared, kept
under version control and merged.
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
    """What else a number of instructions depends on; only those of one origin compare.

    kernels: of the micro-kernels and the schedules around them, see `versions.kernels_version`.
    """

    isa: str
    board: str
    compiler: str
    kernels: str


@dataclass(frozen=True, order=True)
class Candidate:
    """A choice for a workload (`passes.select_kernels.workload`)."""

    workload: str
    choice: Choice


@dataclass(frozen=True)
class Measured:
    """instructions: of the whole layer. default: what is taken where there is no log."""

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
        """Note a measurement, in place of an earlier one of the same."""
        self._known[origin, candidate] = measured

    def get(self, origin: Origin, candidate: Candidate) -> Measured | None:
        """What was measured of a candidate."""
        return self._known.get((origin, candidate))

    def merge(self, other: Log) -> None:
        """Take over all of another log."""
        self._known.update(other._known)

    def of(self, origin: Origin, workload: str) -> dict[Choice, Measured]:
        """All that was measured for a workload, by choice."""
        found = ((o, c, m) for o, c, m in self if o == origin and c.workload == workload)
        return {candidate.choice: measured for _, candidate, measured in found}

    def choices(
        self, isa: str, board: str | None = None, *, scratch: int | None = None
    ) -> dict[str, Choice]:
        """The best choice of each workload: for `tvm_tiny.build(choices=...)`.

        Never slower than the default, as far as it was measured: workloads of which the default
        was not are left out. board: whose counts to believe where there are several, else the
        first by name. scratch: bytes that a kernel may have, at most, beyond what it has by
        default; None is no limit. With a limit, workloads for which nothing faster fits are left
        out too: a build takes what scratch memory is free in its arena.

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
        for origin in reversed(origins):  # the first of them has the last word
            for workload in {c.workload for o, c, _ in self if o == origin}:
                measured = self.of(origin, workload)
                fastest, choice = best(measured), best(measured, scratch)
                if choice is None or (choice != fastest and measured[choice].default):
                    found.pop(workload, None)
                else:
                    found[workload] = choice
        return dict(sorted(found.items()))

    def is_old(self, isa: str) -> bool:
        """Whether all of it was measured with other micro-kernels than those there are now."""
        newest = kernels_version(isa)
        return all(origin.kernels != newest for origin, _, _ in self if origin.isa == isa)

    def to_json(self) -> str:
        """The file's text."""
        entries = [
            {**asdict(origin), **asdict(candidate), **asdict(measured)}
            for origin, candidate, measured in self
        ]
        document = {"version": VERSION, "kind": KIND, "measurements": entries}
        return json.dumps(document, indent=1) + "\n"

    def save(self, path: Path) -> None:
        """Write it, whole or not at all. DataError where that cannot be."""
        try:
            _replace(path, self.to_json())
        except OSError as error:
            raise DataError(f"tuning log '{path}' cannot be written: {error.strerror}") from None


def best(measured: Mapping[Choice, Measured], scratch: int | None = None) -> Choice | None:
    """The fastest choice, of equal ones the default or else that of least scratch.

    None where the default was not measured.
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
