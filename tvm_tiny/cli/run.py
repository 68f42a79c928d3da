"""`tvm-tiny run`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tvm_tiny.errors import DataError

from . import options
from .printer import Printer, amount, summary
from .samples import read_samples, source_in_words

if TYPE_CHECKING:
    from tvm_tiny.archive.reader import Archive
    from tvm_tiny.micro.boards import Board
    from tvm_tiny.micro.firmware import RunResult

ArchivePath = Annotated[
    Path, typer.Argument(metavar="ARCHIVE", help="What `compile` wrote: an archive or a folder.")
]
Inputs = Annotated[
    Path | None,
    typer.Option("--inputs", metavar="X.npz", help="Samples by input name; default: random ones."),
]
Outputs = Annotated[
    Path | None, typer.Option("--outputs", metavar="Y.npz", help="Where to write the outputs.")
]


def run_model(
    archive: ArchivePath,
    board: options.BoardName = "host",
    inputs: Inputs = None,
    outputs: Outputs = None,
    count: options.Count = 1,
    seed: options.Seed = 0,
    timeout: options.Timeout = 300.0,
    as_json: options.AsJson = False,
) -> None:
    """Build firmware around a compiled model and run it on a board.

    Inputs and outputs are in the model's own dtypes and layouts, one array a name, with the
    samples along the first axis. Boards other than host are emulated by QEMU.
    """
    from tvm_tiny.archive.reader import open_archive
    from tvm_tiny.micro.boards import find_board
    from tvm_tiny.micro.firmware import build_firmware
    from tvm_tiny.samples import join_outputs, save_npz

    printer = Printer("run", as_json=as_json)
    chosen = find_board(board)
    if outputs is not None:
        check_output(outputs)
    with open_archive(archive) as opened, tempfile.TemporaryDirectory(prefix="tvm-tiny-") as work:
        ports = opened.interface
        samples, source = read_samples(ports.inputs, inputs, count, seed)
        for note in archive_notes(opened, chosen):
            printer.warn(note)
        device = [
            [port.to_device(array) for port, array in zip(ports.inputs, sample, strict=True)]
            for sample in samples
        ]
        with printer.stage(f"building firmware for {board}"):
            firmware = build_firmware(opened.folder, board, Path(work))
        with printer.stage(f"running {len(samples)} samples on {board}"):
            result = firmware.run(device, timeout)
        if outputs is not None:
            real = [
                [port.from_device(array) for port, array in zip(ports.outputs, sample, strict=True)]
                for sample in result.outputs
            ]
            save_npz(outputs, join_outputs(ports.outputs, real))
        fields = {
            "model": {"path": str(archive), "name": opened.info.name},
            "target": opened.target,
            "board": board,
            "samples": {"count": len(samples), **source},
            "outputs": None if outputs is None else str(outputs),
            **_measured(result),
        }
        printer.finish(fields, _lines(fields, chosen, outputs))


def check_output(path: Path) -> None:
    """Raises DataError if outputs cannot be written; called before the slow part."""
    if not path.absolute().parent.is_dir():
        raise DataError(f"outputs '{path}': the folder {path.absolute().parent} does not exist")
    if path.is_dir():
        raise DataError(f"outputs '{path}' is a folder; expected a file name")


def archive_notes(archive: Archive, board: Board) -> list[str]:
    """Warnings about an archive that was changed, or compiled for another processor."""
    notes = []
    if archive.changed:
        notes.append(f"files changed since they were compiled: {', '.join(archive.changed)}")
    if archive.target != board.target.name:
        notes.append(
            f"compiled for {archive.target}, board {board.name} has a {board.target.name}: "
            "portable C, so it runs, but measure on the core you compile for"
        )
    return notes


def _measured(result: RunResult) -> dict[str, Any]:
    """Measurements of a run for JSON; None for those that the board cannot make."""
    counts = result.instructions
    return {
        "instructions": None
        if counts is None
        else {"min": min(counts), "max": max(counts), "per_sample": list(counts)},
        "stack_bytes": result.stack_bytes,
        "arena_bytes": result.arena_bytes,
        "flash_bytes": result.flash_bytes,
        "model_flash_bytes": result.model_flash_bytes,
        "ram_bytes": result.ram_bytes,
    }


def _lines(fields: dict[str, Any], board: Board, outputs: Path | None) -> list[Any]:
    samples = fields["samples"]
    counts = fields["instructions"]
    per_inference = "not counted on the host"
    if counts is not None:
        low, high = counts["min"], counts["max"]
        per_inference = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    stack = fields["stack_bytes"]
    rows = [
        ("board", f"{board.name}: {board.title}"),
        ("samples", f"{samples['count']}, {source_in_words(samples)}"),
        ("instructions", f"{per_inference} an inference" if counts else per_inference),
        ("stack", "not measured on the host" if stack is None else f"{amount(stack)} at most"),
        ("arena", amount(fields["arena_bytes"])),
        ("flash", f"{amount(fields['flash_bytes'])} in all"),
        ("model's flash", amount(fields["model_flash_bytes"])),
        ("RAM", f"{amount(fields['ram_bytes'])}, without the stack"),
    ]
    return [summary(rows), *([] if outputs is None else [f"wrote {outputs}"])]
