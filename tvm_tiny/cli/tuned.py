"""`compile --tuning-log`: builds with the choices of a log, as far as memory allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tvm_tiny.errors import BudgetError

from .printer import Printer

_Built = TypeVar("_Built")


def with_choices(
    build: Callable[..., _Built],
    logs: Sequence[Path],
    target: str,
    printer: Printer,
    *,
    least_memory: bool,
) -> _Built:
    """Builds with the fastest choices of the logs.

    least_memory: use no choice that needs more scratch memory than the default. Such choices are
    left out too where the model would exceed its budget. Raises DataError for a file that is no
    log, and for logs without measurements for the target.
    """
    if not logs:
        return build()
    fastest, smallest = _choices(logs, target, printer)
    if least_memory:
        return build(choices=smallest)
    try:
        return build(choices=fastest)
    except BudgetError:
        if smallest == fastest:
            raise
    built = build(choices=smallest)
    printer.warn("tuned kernels that need more scratch memory are left out to keep the budget")
    return built


def _choices(logs: Sequence[Path], target: str, printer: Printer) -> tuple[Any, Any]:
    """The fastest choices, and the fastest that need no more scratch than the default."""
    from tvm_tiny.arguments import kernels_of
    from tvm_tiny.micro.boards import BOARDS
    from tvm_tiny.targets import find_target
    from tvm_tiny.tuning import read_logs

    found = find_target(target)
    isa, log = kernels_of(found), read_logs(logs)
    board = next((b.name for b in BOARDS.values() if b.machine and b.target is found), None)
    fastest = log.choices(isa, board)
    if log.is_old(isa):
        printer.warn("the tuning log is of other micro-kernels than these: tune again")
    return fastest, log.choices(isa, board, scratch=0)
