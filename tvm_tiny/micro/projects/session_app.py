"""The parts that programs of all boards share: models, glue, main() and a line."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tvm_tiny.errors import DataError
from tvm_tiny.targets import Target

from ..session import glue, mlperf
from . import make
from .base import GENERATE, Option, Values

if TYPE_CHECKING:
    from tvm_tiny.archive.reader import Archive

#: Folder of a project for the boards' own sources.
BOARDS = f"{make.RUNTIME}/boards"

PROFILE = Option(
    name="profile",
    help="Take the time of each step.",
    type="bool",
    default=False,
    optional_in=(GENERATE,),
)
APP = Option(
    name="app",
    help="A session for the host; one inference of each model that prints its outputs; or MLPerf "
    "Tiny's runner with the first model.",
    default="session",
    choices=("session", "inference", "mlperf"),
    optional_in=(GENERATE,),
)

# Sources below runtime_c that become src/main.c.
_MAIN = {
    "session": "boards/common/session_main.c",
    "inference": "projects/common/inference.c",
    "mlperf": "boards/common/mlperf_main.c",
}


def is_inference(values: Values) -> bool:
    """Whether the program prints the result of one inference and serves no session."""
    return values.get(APP.name) == "inference"


def check_line(folder: Path, values: Values) -> None:
    """Raises DataError if the program serves no session."""
    if is_inference(values):
        raise DataError(
            f"'{folder}' has app=inference, which serves no session: start it with "
            f"'make -C {folder} run'"
        )


def program_recipe(
    folder: Path, archives: Sequence[Archive], target: Target, title: str, values: Values
) -> make.Recipe:
    """Copies the runtime and main(), and writes the glue; the caller adds the board's parts.

    Raises DataError for models that cannot be in one program or fit no benchmark.
    """
    _warn_of_others(archives, target)
    app, profile = str(values[APP.name]), bool(values[PROFILE.name])
    parts = ["session", *(["mlperf"] if app == "mlperf" else [])]
    boards = ("boards/common", f"boards/{target.platform}")
    make.copy_runtime(folder, "include/tvm_tiny", *parts, *boards)
    make.copy_app(folder, _MAIN[app])
    texts = glue.session_sources(archives, profile=profile)
    sources = [f"{make.RUNTIME}/{name}" for name in glue.RUNTIME_SOURCES]
    if app == "mlperf":
        texts |= mlperf.mlperf_sources(archives[0])
        sources += [f"{make.RUNTIME}/{name}" for name in mlperf.RUNTIME_SOURCES]
    for name, text in texts.items():
        (folder / "src" / name).write_text(text, encoding="ascii")
    sources += make.model_sources(folder, archives)
    folders = ["src", *(f"{make.RUNTIME}/{part}" for part in ("include", *parts, *boards))]
    includes = [*(f"-I{name}" for name in folders), *make.model_includes(archives)]
    return make.Recipe(
        title=title,
        target=target,
        sources=["src/main.c", f"src/{glue.SOURCE}", *sources],
        includes=[*includes, *(flag for archive in archives for flag in _one_memory(archive))],
        link=["-lm"],
        special=[("models", ["-include", glue.TRACE_HEADER])] if profile else [],
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
    """Flags that put arenas and weights into the board's only RAM and flash.

    A model may name sections that exist on another board only.
    """
    flags = [f"-D{macro}=TVM_TINY_SECTION_BSS" for macro in glue.section_macros(archive)]
    if archive.info.weights_section is not None:
        flags.append(f"-D{archive.info.prefix.upper()}_SECTION_RODATA=TVM_TINY_SECTION_RODATA")
    return flags
