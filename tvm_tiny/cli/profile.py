"""`tvm-tiny profile`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tvm_tiny.errors import DataError

from . import options
from .files import check_output, write_text
from .printer import SCHEMA_VERSION, Printer
from .run import ArchivePath, archive_notes
from .samples import read_samples

if TYPE_CHECKING:
    from tvm_tiny.archive.reader import Archive
    from tvm_tiny.samples import Sample

#: The file name that stands for standard output.
_STDOUT = Path("-")

Inputs = Annotated[
    Path | None,
    typer.Option("--inputs", metavar="X.npz", help="One sample by input name; default: random."),
]
JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help="Write the profile here as JSON (see docs/profile.md); - prints it instead.",
    ),
]


def profile_archive(
    archive: ArchivePath,
    board: options.BoardName = "mps2_an386",
    inputs: Inputs = None,
    seed: options.Seed = 0,
    timeout: options.Timeout = 300.0,
    json_file: JsonFile = None,
) -> None:
    """Count where a compiled model's instructions go: by layer and by function.

    One inference on an emulated board, after one to warm up. Cycles are estimates.
    """
    from tvm_tiny.archive.reader import open_archive
    from tvm_tiny.micro.boards import find_board
    from tvm_tiny.micro.profiling.profile import profile_model

    from .profile_entries import profile_entries
    from .profile_tables import profile_tables

    printer = Printer("profile", as_json=json_file == _STDOUT)
    chosen = find_board(board)
    if json_file is not None and json_file != _STDOUT:
        check_output(json_file, archive)
    with open_archive(archive) as opened, tempfile.TemporaryDirectory(prefix="tvm-tiny-") as work:
        sample, source = _sample(opened, inputs, seed)
        device = [
            port.to_device(array)
            for port, array in zip(opened.interface.inputs, sample, strict=True)
        ]
        with printer.stage(f"profiling on {board}"):
            found = profile_model(opened.folder, board, device, Path(work), timeout)
        fields = {
            "model": {"path": str(archive), "name": opened.info.name},
            "target": opened.target,
            "sample": source,
            **profile_entries(found),
        }
        notes = [*archive_notes(opened, chosen), *found.notes]
    for note in notes:
        printer.warn(note)
    wrote = []
    if json_file is not None and json_file != _STDOUT:
        head = {"schema_version": SCHEMA_VERSION, "command": "profile"}
        document = {**head, **fields, "warnings": notes}
        write_text(json_file, json.dumps(document, indent=2, allow_nan=False) + "\n")
        wrote = ["", f"wrote {json_file}"]
    printer.finish(fields, [*profile_tables(fields, chosen.title), *wrote])


def _sample(archive: Archive, inputs: Path | None, seed: int) -> tuple[Sample, dict[str, Any]]:
    """The single sample, and its source."""
    samples, source = read_samples(archive.interface.inputs, inputs, 1, seed)
    if len(samples) != 1:
        raise DataError(f"inputs '{inputs}': {len(samples)} samples; a profile is of one")
    return samples[0], source
