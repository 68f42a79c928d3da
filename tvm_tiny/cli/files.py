"""Writes files of commands, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tvm_tiny.errors import DataError


def check_output(output: Path, model: Path) -> None:
    """Raises DataError if a file cannot be written; called before the slow part."""
    parent = output.absolute().parent
    if not parent.is_dir():
        raise DataError(f"output '{output}': the folder {parent} does not exist")
    if output.is_dir():
        raise DataError(f"output '{output}' is a folder; expected a file name")
    if output.exists() and model.exists() and output.samefile(model):
        raise DataError(f"output '{output}' is the model itself; choose another")


def write_text(output: Path, text: str) -> None:
    """Writes a text in UTF-8; DataError if that fails, which leaves an old file unchanged."""
    try:
        handle, temporary = tempfile.mkstemp(dir=output.absolute().parent, prefix=".report.")
    except OSError as error:
        raise DataError(f"output '{output}' cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, output)
    except BaseException as error:
        os.unlink(temporary)
        if isinstance(error, OSError):
            raise DataError(f"output '{output}' cannot be written: {error.strerror}") from None
        raise
