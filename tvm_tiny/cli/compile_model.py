"""`tvm-tiny compile`."""

from __future__ import annotations

from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tvm_tiny.errors import DataError

from . import options
from .models import build_model, port_entries
from .printer import Printer, amount, shape_text, summary

if TYPE_CHECKING:
    from tvm_tiny.analysis import Measurement
    from tvm_tiny.build import CompiledModel


class OutputFormat(str, Enum):
    """What `compile` writes."""

    MLF = "mlf"
    DIR = "dir"


Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="Archive (.tar, .tar.gz, .tgz) or folder; default: MODEL's name."
    ),
]
Budget = typer.Option(
    metavar="SIZE", parser=options.parse_size, help="Budget, such as 256K, 1M or 0x40000 bytes."
)
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
    sram: Annotated[int | None, Budget] = None,
    flash: Annotated[int | None, Budget] = None,
    name: options.ModelName = "default",
    output_format: Format = OutputFormat.MLF,
    io_in_arena: options.IoInArena = True,
    float_io: options.FloatIo = False,
    calibrate: options.Calibrate = None,
    dump_ir: DumpIr = None,
    as_json: options.AsJson = False,
) -> None:
    """Compile a model to C.

    --sram is checked against the arena; --flash against weights and, with the target's compiler
    installed, code. Nothing is written if the model does not fit.
    """
    printer = Printer("compile", as_json=as_json)
    path = _output_path(model, output, output_format)
    with printer.stage(f"compiling {model.name}"), ExitStack() as stack:
        if dump_ir is not None:
            from .dump_ir import dumping

            stack.enter_context(dumping(dump_ir))
        compiled = build_model(
            model,
            target,
            calibrate,
            name=name,
            sram=sram,
            flash=flash,
            fold_edges=not float_io,
            io_in_arena=io_in_arena,
        )
    with printer.stage(f"measuring code for {target}"):
        from tvm_tiny.analysis import check_flash, measure

        measured = measure(compiled)
        check_flash(compiled, measured, flash)
    for note in measured.notes:
        printer.warn(note)
    try:
        compiled.save(path, folder=output_format is OutputFormat.DIR)
    except OSError as error:
        raise DataError(f"output '{path}' cannot be written: {error.strerror}") from None
    printer.finish(
        _fields(model, compiled, measured, path, output_format),
        [summary(_rows(compiled, measured)), f"wrote {path}"],
    )


def _output_path(model: Path, output: Path | None, output_format: OutputFormat) -> Path:
    """Where to write; DataError, before the slow part, where that cannot work."""
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


def _rows(compiled: CompiledModel, measured: Measurement) -> list[tuple[str, str]]:
    program = compiled.program
    ports = [("input", p) for p in program.interface.inputs]
    ports += [("output", p) for p in program.interface.outputs]
    inside = "inputs and outputs included" if program.io_in_arena else "without inputs and outputs"
    return [
        ("model", f"{program.name}, {len(program.calls)} steps, for {compiled.target.name}"),
        *((kind, f"{p.name}: {p.dtype} {shape_text(p.shape)}") for kind, p in ports),
        ("arena", f"{amount(compiled.workspace_bytes)}, {inside}"),
        ("weights and tables", amount(compiled.constant_bytes)),
        ("code", amount(measured.code_bytes)),
        ("flash", amount(measured.flash_bytes)),
        ("stack", amount(measured.stack_bytes)),
        ("MACs", amount(program.macs, "")),
    ]


def _fields(
    model: Path,
    compiled: CompiledModel,
    measured: Measurement,
    path: Path,
    output_format: OutputFormat,
) -> dict[str, Any]:
    program = compiled.program
    return {
        "model": {"path": str(model), "name": program.name},
        "target": compiled.target.name,
        "output": {"path": str(path), "format": output_format.value},
        "arena_bytes": compiled.workspace_bytes,
        "io_in_arena": program.io_in_arena,
        "constant_bytes": compiled.constant_bytes,
        "code_bytes": measured.code_bytes,
        "flash_bytes": measured.flash_bytes,
        "stack_bytes": measured.stack_bytes,
        "macs": program.macs,
        "steps": len(program.calls),
        "inputs": port_entries(program.interface.inputs),
        "outputs": port_entries(program.interface.outputs),
    }
