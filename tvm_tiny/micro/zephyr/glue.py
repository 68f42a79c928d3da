"""Writes a session's glue: `python -m tvm_tiny.micro.zephyr.glue OUT MODEL...`.

The CMake function tvm_tiny_add_session runs this; MODELs are unpacked archives.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tvm_tiny.errors import TvmTinyError


def write_glue(out: Path, models: Sequence[Path], *, profile: bool) -> None:
    """Writes tvm_tiny_models.h and .c to a folder; unchanged files keep their time stamp.

    Raises DataError for folders that are no models, and for two models of one name.
    """
    from tvm_tiny.archive.reader import read_folder

    from ..session.glue import session_sources

    texts = session_sources([read_folder(model) for model in models], profile=profile)
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        path = out / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the glue; exit code 0, or that of an error printed to stderr."""
    parser = argparse.ArgumentParser(prog="tvm_tiny.micro.zephyr.glue")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("out", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    given = parser.parse_args(arguments)
    try:
        write_glue(given.out, given.models, profile=given.profile)
    except TvmTinyError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
