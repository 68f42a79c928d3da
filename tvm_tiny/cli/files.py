"""Files that commands write: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tvm_tiny.errors import DataError


def check_output(output: Path, model: Path) -> None:
    """DataError, before the slow part, where a file cannot be written."""
    parent = output.absolute().parent
    if not parent.is_dir():
        raise DataError(f"output '{output}': the folder {parent} does not exist")
    if output.is_dir():
        raise DataError(f"output '{output}' is a folder; expected a file name")
    if output.exists() and model.exists() and output.samefile(model):
        raise DataError(f"output '{output}' is the model itself; choose another")


def write_text(output: Path, text: str) -> None:
    """UTF-8. DataError where it cannot be written; what was there is then untouched."""
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
