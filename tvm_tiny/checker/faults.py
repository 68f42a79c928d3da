"""The messages for memory plans that are wrong."""

from __future__ import annotations

from tvm_tiny.errors import PlanError
from tvm_tiny.lowering.graph import Step

from .memory import Memory, Value

BLAME = "do not run this code; the compiler is at fault: report it with the model"

# Converters join the names of all operators that they fuse: such names are cut to this width.
_WIDTH = 60


def short(name: str) -> str:
    """A name in quotes, cut to a readable length."""
    return f"'{name if len(name) <= _WIDTH else f'{name[: _WIDTH - 3]}...'}'"


def stale(memory: Memory, reader: str, value: Value, wanted: int, at: int) -> PlanError:
    """A read finds another byte: `reader` wants byte `wanted`, at byte `at` of the memory."""
    first, last = memory.stretch(value, at)
    start = value.offset
    arena = "" if start is None else f" (arena bytes {start + first} to {start + last})"
    found = memory.found(value, at)
    return PlanError(
        f"memory plan: {reader} needs row {value.row(wanted)} of {short(value.name)}, but bytes "
        f"{first} to {last} of its memory{arena} hold {_found(value, found)}: overwritten, or not "
        f"written yet; {BLAME}"
    )


def _found(value: Value, found: tuple[Value, int] | None) -> str:
    """Describes the byte that is found in place of one of `value`."""
    if found is None:
        return "nothing"
    owner, byte = found
    return f"{'its ' if owner is value else ''}row {owner.row(byte)}" + (
        "" if owner is value else f" of {short(owner.name)}"
    )


def outside(who: str, does: str, value: Value, element: int, itemsize: int) -> PlanError:
    """An event reads or writes beside a tensor."""
    return PlanError(
        f"memory plan: {who} {does} element {element} of {short(value.name)}, which has memory for "
        f"{value.room // itemsize}; {BLAME}"
    )


def unmade(who: str, name: str) -> PlanError:
    """A tensor is read before any operator makes it."""
    return PlanError(f"memory plan: {who} needs {short(name)}, which nothing makes; {BLAME}")


def incomplete(who: str, value: Value) -> PlanError:
    """A tensor that is needed whole has memory for some of its rows only."""
    return PlanError(
        f"memory plan: {who} needs {short(value.name)} whole, which has memory for "
        f"{value.storage.buffer_rows} of its {value.storage.rows} rows; {BLAME}"
    )


def stuck(name: str, done: int, events: int) -> PlanError:
    """Operators of a stage wait for each other, or for what never comes."""
    return PlanError(
        f"memory plan: {short(name)} runs only {done} of its {events} events, because what it "
        f"waits for never comes; {BLAME}"
    )


def bad_line_buffer(name: str, size: int) -> PlanError:
    """A kernel is given a line buffer of no rows."""
    return PlanError(f"memory plan: {short(name)} is given a line buffer of {size} rows; {BLAME}")


def unfollowable(name: str, what: str) -> PlanError:
    """The checker cannot follow a row kernel."""
    return PlanError(
        f"memory plan: cannot be proved, because the row kernel of {short(name)} has {what}; "
        "rewrite the kernel so that what it reads and writes does not depend on data"
    )


def driver(what: str) -> PlanError:
    """The generated C has something elsewhere than the plan."""
    return PlanError(f"memory plan: the generated C {what}; {BLAME}")


def emitted(step: Step, what: str) -> PlanError:
    """The generated C of a step does something else than is planned."""
    return driver(f"of {_stage(step)} {what}")


def order(step: Step, place: int, what: str) -> PlanError:
    """A number in the table of a stage's order is wrong."""
    return driver(f"of {_stage(step)} has an order whose number {place} {what}")


def _stage(step: Step) -> str:
    if len(step.operators) < 2:
        return short(step.name)
    first, last = step.operators[0], step.operators[-1]
    return f"the stage {short(first.name)} to {short(last.name)}"
