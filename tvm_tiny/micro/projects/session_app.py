"""What every program has, whatever it runs on: models, and mostly a session server."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tvm_tiny.errors import DataError
from tvm_tiny.micro.session import glue
from tvm_tiny.micro.targets import Target

from . import make
from .base import GENERATE, Option, Values

if TYPE_CHECKING:
    from tvm_tiny.archive_reader import Archive

PROFILE = Option(
    name="profile",
    help="Take the time of each step.",
    type="bool",
    default=False,
    optional_in=(GENERATE,),
)
APP = Option(
    name="app",
    help="A session for the host, or one inference of each model that prints its outputs.",
    default="session",
    choices=("session", "inference"),
    optional_in=(GENERATE,),
)
#: Below runtime_c/projects: the program of app=inference.
INFERENCE = "common/inference.c"


def is_inference(values: Values) -> bool:
    """Whether the program is INFERENCE and not a session server."""
    return values.get(APP.name) == "inference"


def check_session(folder: Path, values: Values) -> None:
    """DataError where the program is no session server."""
    if is_inference(values):
        raise DataError(
            f"'{folder}' has app=inference, which serves no session: start it with "
            f"'make -C {folder} run'"
        )


def session_recipe(
    folder: Path, archives: Sequence[Archive], target: Target, title: str, values: Values
) -> make.Recipe:
    """Writes the glue and copies the runtime; what is left are main() and the board.

    Raises DataError for models that cannot be in one program.
    """
    _warn_of_others(archives, target)
    profile = bool(values.get(PROFILE.name, False))
    make.copy_runtime(folder, "include/tvm_tiny", "session")
    sources = [f"{make.RUNTIME}/{name}" for name in glue.RUNTIME_SOURCES]
    for name, text in sorted(glue.session_sources(archives, profile=profile).items()):
        path = folder / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
        sources += [f"src/{name}"] if path.suffix == ".c" else []
    traced = [("models", ["-include", glue.TRACE_HEADER])] if profile else []
    includes = ["-Isrc", f"-I{make.RUNTIME}/include", *make.model_includes(archives)]
    return make.Recipe(
        title=title,
        target=target,
        sources=["src/main.c", *sources, *make.model_sources(folder, archives)],
        includes=[*includes, *(flag for archive in archives for flag in _one_memory(archive))],
        link=["-lm"],
        special=traced,
    )


def _warn_of_others(archives: Sequence[Archive], target: Target) -> None:
    for archive in archives:
        if archive.target != target.name:
            message = (
                f"model {archive.info.name!r} is compiled for {archive.target}, the project is for "
                f"a {target.name}: portable C, so it runs, but slower than it could"
            )
            warnings.warn(message, stacklevel=4)


def _one_memory(archive: Archive) -> list[str]:
    """One flash, one RAM: sections of other boards are not in the linker script."""
    flags = [f"-D{macro}=TVM_TINY_SECTION_BSS" for macro in glue.section_macros(archive)]
    if archive.info.weights_section is not None:
        flags.append(f"-D{archive.info.prefix.upper()}_SECTION_RODATA=TVM_TINY_SECTION_RODATA")
    return flags
