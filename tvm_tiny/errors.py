"""All errors that tvm_tiny raises on purpose, with their exit codes.

The tree::

    TvmTinyError                exit code 1
    |-- ModelError              3   the model file cannot be read
    |-- UnsupportedError        4   the model asks for something that cannot be compiled
    |-- BudgetError             5   the model does not fit the memory it was given
    |-- DataError               6   inputs, samples or options do not fit the model
    |-- ToolchainError          7   a compiler or emulator is missing
    |-- BoardError              8   building or running firmware failed
    |   |-- TransportError      8   the line to a device is closed or cannot be opened
    |   `-- SessionError        8   a device does not answer, or answers that it cannot
    `-- VerificationError       9   results differ from the reference
        `-- PlanError           9   a memory plan lets one tensor harm another

Exit code 2 is a wrong command line (the CLI library's own). A message is one line that says
what, where (operator, tensor), what was expected, and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence


class TvmTinyError(Exception):
    """Base of all errors a user can act on."""

    exit_code = 1


class ModelError(TvmTinyError):
    """The model file is missing, truncated, corrupt, or not of a known format."""

    exit_code = 3


class UnsupportedError(TvmTinyError):
    """The model is well-formed but cannot be compiled; lists every reason at once.

    `reasons` has an entry for each tensor; the message has one for each kind of reason.
    """

    exit_code = 4

    def __init__(self, reasons: str | Sequence[str]) -> None:
        self.reasons: tuple[str, ...] = (
            (reasons,) if isinstance(reasons, str) else tuple(sorted(set(reasons)))
        )
        super().__init__("; ".join(grouped(self.reasons)))


# "GREATER (tensor 'a'): not supported": operator, name of the tensor, reason.
_NAMES_A_TENSOR = re.compile(r"(.*?\b(?:tensor|input|output) ')(.*?)('\)?: .*)", re.DOTALL)


def grouped(reasons: Sequence[str]) -> list[str]:
    """Joins reasons that differ only in the name of a tensor, and counts them.

    For example "GREATER (tensor 'a' and 18 more): the operator is not supported".
    """
    names: dict[tuple[str, str], list[str]] = {}
    for reason in reasons:
        match = _NAMES_A_TENSOR.fullmatch(reason)
        before, name, after = match.groups() if match else (reason, "", "")
        names.setdefault((before, after), []).append(name)
    return [
        before + tensors[0] + (_and_more(after, len(tensors) - 1) if after else "")
        for (before, after), tensors in names.items()
    ]


def _and_more(after: str, count: int) -> str:
    """Inserts a count after the first character of `after`, which closes a quoted name."""
    return f"' and {count} more{after[1:]}" if count else after


class BudgetError(TvmTinyError):
    """The model needs more SRAM or flash than the budget allows."""

    exit_code = 5


class DataError(TvmTinyError):
    """Inputs, samples, archives or option values do not fit the model."""

    exit_code = 6


class ToolchainError(TvmTinyError):
    """A cross compiler, emulator or optional Python package is missing; names the package."""

    exit_code = 7


class BoardError(TvmTinyError):
    """Firmware failed to build, start or finish on a board."""

    exit_code = 8


class TransportError(BoardError):
    """The line to a device cannot be opened, or was closed from the other side."""


class SessionError(BoardError):
    """A device does not answer in time, speaks another protocol, or reports an error."""


class VerificationError(TvmTinyError):
    """Compiled code and reference disagree."""

    exit_code = 9


class PlanError(VerificationError):
    """A memory plan is wrong: bytes are read that are not in memory."""
