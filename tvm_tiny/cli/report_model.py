"""`tvm-tiny report`."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tvm_tiny.errors import DataError

from . import options
from .calibrated import quality_tables
from .costs import total_table
from .files import check_output, write_text
from .models import build_model
from .plan_tables import plan_tables
from .printer import SCHEMA_VERSION, Printer
from .stages import memory_options

if TYPE_CHECKING:
    from tvm_tiny.report import Report


class ReportFormat(str, Enum):
    """The output that `report` writes."""

    HTML = "html"
    JSON = "json"


Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write the report here; see --format."),
]
Format = Annotated[
    ReportFormat | None,
    typer.Option(
        "--format", help="Of FILE: a page for browsers, or its numbers; default: by its name."
    ),
]
Pareto = Annotated[
    bool,
    typer.Option(" /--no-pareto", help="Do not search the trade between SRAM and work."),
]
ProfileFile = Annotated[
    Path | None,
    typer.Option(
        "--profile",
        metavar="FILE",
        help="Show the instructions that `profile --json FILE` counted of the same model.",
    ),
]


def report_model(
    model: options.ModelPath,
    output: Output = None,
    report_format: Format = None,
    target: options.TargetName = "host",
    sram: options.Sram = None,
    minimize: options.Minimize = None,
    stream_input: options.StreamInput = False,
    stages: options.StageList = None,
    pools: options.PoolFile = None,
    io_in_arena: options.IoInArena = True,
    float_io: options.FloatIo = False,
    calibrate: options.Calibrate = None,
    calibrate_method: options.CalibrateMethod = options.Method.AUTO,
    mean: options.PixelMean = "0",
    std: options.PixelStd = "1",
    pareto: Pareto = True,
    profile: ProfileFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Show a model's memory over time, and what each way to plan it saves.

    With -o a page that needs nothing else: no network, no other file. It opens in any browser.
    """
    calibration = options.calibration(calibrate, calibrate_method, mean, std)
    printer = Printer("report", as_json=as_json)
    edges = {"fold_edges": not float_io, "io_in_arena": io_in_arena}
    memory = memory_options(sram, minimize, stream_input, stages, pools)
    if output is not None:
        check_output(output, model)
    elif report_format is not None:
        raise DataError(f"--format {report_format.value}: say with -o where to write it")
    if profile is not None:
        from tvm_tiny.report.profile import read_profile, with_profile

        read_profile(profile)  # before the slow part
    with printer.stage(f"compiling {model.name}"):
        built = build_model(model, target, calibration, **edges, **memory)
    with printer.stage("planning in other ways, to compare"):
        from tvm_tiny.report import collect
        from tvm_tiny.report.entries import report_entries

        report = collect(*built, model=model.name, front=pareto)
    if profile is not None:
        report = with_profile(report, profile)
    for note in report.measured.notes:
        printer.warn(note)
    if output is not None:
        write_text(output, _text(report, report_format or _by_name(output)))
    fields = {**report_entries(report), "output": None if output is None else str(output)}
    wrote = [] if output is None else ["", f"wrote {output}"]
    tables = [*quality_tables(report.quality), total_table(report), "", *plan_tables(report)]
    printer.finish(fields, [*tables, *wrote])


def _by_name(output: Path) -> ReportFormat:
    return ReportFormat.JSON if output.suffix.lower() == ".json" else ReportFormat.HTML


def _text(report: Report, report_format: ReportFormat) -> str:
    from tvm_tiny.report.entries import report_entries
    from tvm_tiny.report.page import render_page

    if report_format is ReportFormat.HTML:
        return render_page(report)
    document = {"schema_version": SCHEMA_VERSION, "command": "report", **report_entries(report)}
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
