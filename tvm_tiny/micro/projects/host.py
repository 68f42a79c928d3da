"""A program of this machine: a session on its standard input and output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tvm_tiny.targets import TARGETS

from ..session.transport import start_process
from . import make
from .base import Image, Option, ProjectType, Values
from .session_app import APP, BOARDS, PROFILE, check_line, is_inference, program_recipe

if TYPE_CHECKING:
    from tvm_tiny.archive.reader import Archive

    from ..session.transport import Transport


class HostProject:
    """A process of this machine, for tests and for services on larger machines."""

    name = "host"
    title = "a program of this machine"

    def options(self) -> Sequence[Option]:
        """Options for the kind of program, and for times of steps."""
        return (APP, PROFILE)

    def generate(self, folder: Path, archives: Sequence[Archive], values: Values) -> None:
        """See `ProjectType.generate`."""
        recipe = program_recipe(folder, archives, TARGETS["host"], self.title, values)
        if is_inference(values):
            recipe.sources.append(f"{BOARDS}/host/files.c")
            recipe.includes.append("""'-DTVM_TINY_CONSOLE="/dev/stdout"'""")
            recipe.run = [make.IMAGE]
        else:
            recipe.sources.append(f"{BOARDS}/host/port.c")
        recipe.write(folder)

    def build(self, folder: Path, values: Values) -> Image:
        """Runs make with the host's compiler."""
        return make.run_make(folder, TARGETS["host"])

    def flash(self, folder: Path, values: Values) -> None:
        """Does nothing: the program needs no board."""

    def open_transport(self, folder: Path, values: Values) -> Transport:
        """Starts the program; DataError for a program that serves no session."""
        check_line(folder, values)
        return start_process([str(make.built(folder))], folder)


PROJECT_TYPE: ProjectType = HostProject()
