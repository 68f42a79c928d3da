"""`tvm-tiny tune`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from . import options
from .files import check_output
from .models import import_model
from .printer import Printer, listing, summary

if TYPE_CHECKING:
    from tvm_tiny.schedules.packed.choice import Choice
    from tvm_tiny.tuning import Log
    from tvm_tiny.tuning.log import Measured
    from tvm_tiny.tuning.search import Progress

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="LOG.json",
        help="The log; one that is there goes on. Default: MODEL's name with .tuning.json.",
    ),
]
Merge = Annotated[
    list[Path] | None,
    typer.Option(
        "--merge", metavar="LOG.json", help="Take over this log too; may be given several times."
    ),
]
Trials = Annotated[
    int, typer.Option("--trials", min=1, help="Candidates of a layer to measure, at most.")
]
Jobs = Annotated[
    int | None, typer.Option("--jobs", min=1, help="Firmwares at once; default: all cores.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the search.")]


def tune_model(
    model: options.ModelPath,
    board: options.BoardName = "mps2_an386",
    output: Output = None,
    merge: Merge = None,
    trials: Trials = 64,
    jobs: Jobs = None,
    seed: Seed = 0,
    calibrate: options.Calibrate = None,
    calibrate_method: options.CalibrateMethod = options.Method.AUTO,
    mean: options.PixelMean = "0",
    std: options.PixelStd = "1",
    as_json: options.AsJson = False,
) -> None:
    """Search how a model's products are computed in the fewest instructions, by measuring.

    Candidates run on an emulated board, and must give the same bytes as the default. After an
    interruption the same command goes on where it was. The log is for `compile --tuning-log`.
    """
    from tvm_tiny.tuning.firmware import emulated

    calibration = options.calibration(calibrate, calibrate_method, mean, std)
    printer = Printer("tune", as_json=as_json)
    chosen = emulated(board)
    path = output or Path(f"{model.stem}.tuning.json")
    check_output(path, model)
    log = _known([*(merge or []), path])
    before = len(log)
    with printer.stage(f"reading {model.name}"):
        from tvm_tiny.tuning import tune  # a slow import

        module = import_model(model, calibration)
    with _bar(as_json) as show:
        search: dict[str, Any] = {"jobs": jobs, "trials": trials, "seed": seed}
        tune(module, board, log=log, path=path, progress=show, **search)
    fields = {
        "model": {"path": str(model)},
        "board": board,
        "log": {"path": str(path), "measurements": len(log), "new": len(log) - before},
        **_entries(module, board, log),
    }
    printer.finish(fields, _tables(fields, chosen.title))


def _known(paths: list[Path]) -> Log:
    """The log of earlier measurements; the last of its files may not exist yet."""
    from tvm_tiny.tuning import read_logs

    return read_logs([path for path in paths if path is not paths[-1] or path.exists()])


@contextmanager
def _bar(as_json: bool) -> Iterator[Callable[[Progress], None]]:
    """A progress bar of the search, on a terminal."""
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("tuning"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    shown = console.is_terminal and not as_json
    with Bar(*columns, console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task("", total=None)
        yield lambda state: bar.update(task, completed=state.measured, total=state.of)


def _entries(module: Any, board: str, log: Log) -> dict[str, Any]:
    """Entries of JSON: each workload with its default and best choice."""
    from tvm_tiny.tuning.summary import summarize

    layers = summarize(module, board, log)
    return {
        "layers": [
            {
                "layer": tuned.layer,
                "layers": tuned.layers,
                "measured": tuned.measured,
                "default": _entry(*tuned.default),
                "best": _entry(*tuned.best),
            }
            for tuned in layers
        ],
        "default_instructions": sum(t.layers * t.default[1].instructions for t in layers),
        "best_instructions": sum(t.layers * t.best[1].instructions for t in layers),
    }


def _entry(choice: Choice, measured: Measured) -> dict[str, Any]:
    return {
        "choice": choice.to_attrs(),
        "instructions": measured.instructions,
        "scratch_bytes": measured.scratch_bytes,
    }


def _tables(fields: dict[str, Any], title: str) -> list[Any]:
    headers = [("layer", "left"), ("times", "right"), ("default", "right"), ("tuned", "right")]
    headers += [("choice", "left"), ("scratch", "right")]
    default, best, log = fields["default_instructions"], fields["best_instructions"], fields["log"]
    total = f"{best:,} of {default:,} by default, in the layers that can be tuned"
    rows = [
        ("board", f"{fields['board']}: {title}"),
        ("measured", f"{log['measurements']} candidates, {log['new']} of them now"),
        ("instructions", total),
    ]
    layers = [_row(entry) for entry in fields["layers"]]
    return [listing(headers, layers), "", summary(rows), f"wrote {log['path']}"]


def _row(entry: dict[str, Any]) -> list[str]:
    default, best = entry["default"], entry["best"]
    choice = ", ".join(f"{name} {value}" for name, value in best["choice"].items())
    counts = (entry["layers"], default["instructions"], best["instructions"])
    name = entry["layer"].rpartition(";")[2]
    return [name, *(f"{count:,}" for count in counts), choice, f"{best['scratch_bytes']:,}"]
