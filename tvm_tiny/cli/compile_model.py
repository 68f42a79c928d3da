"""`tvm-tiny compile`."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tvm_tiny.errors import DataError

from . import options
from .calibrated import quality_entry, quality_tables
from .compile_result import cost_fields, model_fields, rows
from .models import build_model, proof_entry, proof_lines, prove_plan
from .printer import Printer, summary
from .stages import memory_options
from .tuned import with_choices

if TYPE_CHECKING:
    from tvm_tiny.analysis import Measurement
    from tvm_tiny.build import CompiledModel


class OutputFormat(str, Enum):
    """The output that `compile` writes."""

    MLF = "mlf"
    DIR = "dir"


Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="Archive (.tar, .tar.gz, .tgz) or folder; default: MODEL's name."
    ),
]
Flash = Annotated[
    int | None,
    typer.Option(
        "--flash",
        metavar="SIZE",
        parser=options.parse_size,
        help="Budget of weights and code, such as 256K, 1M or 0x40000 bytes.",
    ),
]
DumpIr = Annotated[
    Path | None,
    typer.Option("--dump-ir", metavar="DIR", help="Write the IR after every pass into DIR."),
]
Format = Annotated[
    OutputFormat,
    typer.Option("--output-format", help="Model Library Format archive, or the same as a folder."),
]


def compile_model(
    model: options.ModelPath,
    output: Output = None,
    target: options.TargetName = "host",
    sram: options.Sram = None,
    minimize: options.Minimize = None,
    stream_input: options.StreamInput = False,
    stages: options.StageList = None,
    pools: options.PoolFile = None,
    flash: Flash = None,
    name: options.ModelName = "default",
    output_format: Format = OutputFormat.MLF,
    io_in_arena: options.IoInArena = True,
    float_io: options.FloatIo = False,
    calibrate: options.Calibrate = None,
    calibrate_method: options.CalibrateMethod = options.Method.AUTO,
    mean: options.PixelMean = "0",
    std: options.PixelStd = "1",
    tuning_log: options.TuningLogs = None,
    dump_ir: DumpIr = None,
    check_plan: options.CheckPlan = False,
    as_json: options.AsJson = False,
) -> None:
    """Compile a model to C.

    --sram is kept by running operators in stages if need be, as few rows as it takes; --flash is
    checked against weights and, with the target's compiler installed, code. Nothing is written
    if the model does not fit.
    """
    calibration = options.calibration(calibrate, calibrate_method, mean, std)
    printer = Printer("compile", as_json=as_json)
    memory = memory_options(sram, minimize, stream_input, stages, pools)
    path = _output_path(model, output, output_format)
    with printer.stage(f"compiling {model.name}"), _dumping(dump_ir):
        build = partial(
            build_model,
            model,
            target,
            calibration,
            name=name,
            flash=flash,
            fold_edges=not float_io,
            io_in_arena=io_in_arena,
            **memory,
        )
        least = minimize is not None
        built = with_choices(build, tuning_log or [], target, printer, least_memory=least)
    compiled, quality = built.compiled, built.quality
    proof = prove_plan(printer, compiled) if check_plan else None
    measured = _measured(compiled, flash, printer)
    _save(compiled, path, output_format)
    fields = {
        **model_fields(model, compiled),
        "output": {"path": str(path), "format": output_format.value},
        **cost_fields(compiled, measured),
        "calibration": quality_entry(quality),
        "plan_proof": proof_entry(proof),
    }
    tables = [*quality_tables(quality), summary(rows(compiled, measured)), *proof_lines(proof)]
    printer.finish(fields, [*tables, f"wrote {path}"])


def _dumping(folder: Path | None) -> AbstractContextManager[None]:
    """A context that dumps the IR of all passes into `folder`, if there is one."""
    if folder is None:
        return nullcontext()
    from .dump_ir import dumping

    return dumping(folder)


def _measured(compiled: CompiledModel, flash: int | None, printer: Printer) -> Measurement:
    """Sizes of code and weights; BudgetError where they exceed the budget `flash`."""
    from tvm_tiny.analysis import check_flash, measure

    with printer.stage(f"measuring code for {compiled.target.name}"):
        measured = measure(compiled)
        check_flash(compiled, measured, flash)
    for note in measured.notes:
        printer.warn(note)
    return measured


def _save(compiled: CompiledModel, path: Path, output_format: OutputFormat) -> None:
    try:
        compiled.save(path, folder=output_format is OutputFormat.DIR)
    except OSError as error:
        raise DataError(f"output '{path}' cannot be written: {error.strerror}") from None


def _output_path(model: Path, output: Path | None, output_format: OutputFormat) -> Path:
    """Path of the output; DataError, before the slow part, if it cannot be written."""
    if output is None:
        output = Path(model.stem + (".tar" if output_format is OutputFormat.MLF else ""))
    parent = output.absolute().parent
    if not parent.is_dir():
        raise DataError(f"output '{output}': the folder {parent} does not exist")
    if output_format is OutputFormat.MLF and output.is_dir():
        raise DataError(f"output '{output}' is a folder; add --output-format dir to fill it")
    if output_format is OutputFormat.DIR and output.exists():
        if not output.is_dir():
            raise DataError(f"output '{output}' is a file; remove it or choose another folder")
        if any(output.iterdir()):
            raise DataError(f"output folder '{output}' is not empty; remove it or choose another")
    if output.exists() and model.exists() and output.samefile(model):
        raise DataError(f"output '{output}' is the model itself; choose another")
    return output
