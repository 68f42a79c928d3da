"""The options for SRAM, converted from the command line for `tvm_tiny.build`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvm_tiny.errors import DataError
from tvm_tiny.text import did_you_mean, similar_names

from .options import Minimized

if TYPE_CHECKING:
    from tvm_tiny.pools import BoardMemory

# Number and length of names in messages. Converters join the names of all fused operators.
_SHOWN = 4
_WIDTH = 60


def memory_options(
    sram: int | None,
    minimize: Minimized | None,
    stream_input: bool,
    stages: str | None,
    pools: Path | None,
) -> dict[str, Any]:
    """The options as keywords of `tvm_tiny.build`, names in `stages` as the user wrote them.

    Raises DataError where options contradict each other, --stages is no list of ranges, or the file
    of --pools does not describe a board's memory.
    """
    if stages is not None and minimize is not None:
        raise DataError("--stages and --minimize: give stages, or let them be searched")
    return {
        "sram": sram,
        "minimize": minimize is Minimized.SRAM,
        "stream_input": stream_input,
        "stages": [] if stages is None else [_range(part) for part in stages.split(",")],
        "pools": None if pools is None else _pools(pools),
    }


def _pools(path: Path) -> BoardMemory:
    from tvm_tiny.pools import read_pools  # brings the solver with it

    return read_pools(path)


def _range(part: str) -> tuple[str, str]:
    first, dots, last = (name.strip() for name in part.partition(".."))
    if not (first and dots and last):
        raise DataError(f"--stages: '{part}' is not FIRST..LAST, two names of tensors")
    return first, last


def resolve(mod: Any, options: dict[str, Any]) -> dict[str, Any]:
    """The options of `build` with full names of stages; DataError for unknown names.

    mod: the model's Relax module.
    """
    if not options.get("stages"):
        return options
    from tvm.ir.transform import PassContext

    from tvm_tiny.pipeline import operators_pipeline
    from tvm_tiny.relax_rewrite import bindings_of

    known = ("fold_edges", "io_in_arena", "stream_input")
    lower = operators_pipeline(**{key: options[key] for key in known if key in options})
    with PassContext():  # without the instruments of --dump-ir
        names = [binding.var.name for binding in bindings_of(lower(mod)["main"])]
    stages = [(_full(first, names), _full(last, names)) for first, last in options["stages"]]
    return {**options, "stages": stages}


def _full(name: str, names: Sequence[str]) -> str:
    """The name that is `name`, else the only one that begins with it."""
    fitting = [n for n in names if n == name] or [n for n in names if n.startswith(name)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        similar = similar_names(name, names, _SHOWN, cutoff=0)
        hint = did_you_mean(name, map(_short, similar))
        raise DataError(f"--stages: no operator makes '{name}'{hint}")
    begin = ", ".join(map(_short, fitting[:_SHOWN]))
    raise DataError(f"--stages: {len(fitting)} names begin with '{name}', such as {begin}")


def _short(name: str) -> str:
    return name if len(name) <= _WIDTH else f"{name[:_WIDTH]}..."
