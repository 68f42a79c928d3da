"""An Arduino library: models, runtime and session, with two example sketches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tvm_tiny._version import __version__

from . import make
from .base import BUILD, FLASH, Image, Option, ProjectType, Values
from .library import (
    BAUD,
    PORT,
    TARGET,
    Layout,
    find_vendor_tool,
    open_port,
    require_port,
    run_tool,
)

if TYPE_CHECKING:
    from tvm_tiny.archive.reader import Archive

    from ..session.transport import Transport

_FQBN = Option(
    name="fqbn",
    help="Board as arduino-cli names it, such as arduino:mbed_nano:nano33ble.",
    optional_in=(BUILD, FLASH),
)
_WHERE = "https://arduino.github.io/arduino-cli"
_SKETCHES = ("Inference", "Session")

# Arduino compiles all below src/, with src/ as the only include folder.
_LAYOUT = Layout(headers="src", sources="src")


class ArduinoProject:
    """An Arduino library with recursive layout, for the sketchbook's folder libraries/."""

    name = "arduino"
    title = "a library for the Arduino IDE and arduino-cli"

    def options(self) -> Sequence[Option]:
        """Options for the target, and for the board and port that arduino-cli needs."""
        return (TARGET, _FQBN, PORT, BAUD)

    def generate(self, folder: Path, archives: Sequence[Archive], values: Values) -> None:
        """See `ProjectType.generate`."""
        _LAYOUT.fill(folder, archives)
        models = [archive.info for archive in archives]
        context = {"models": models, "version": __version__}
        make.write_template(folder / "library.properties", "arduino/library.properties.j2", context)
        for name in _SKETCHES:
            path = folder / "examples" / name / f"{name}.ino"
            make.write_template(path, f"arduino/{name}.ino.j2", context)

    def build(self, folder: Path, values: Values) -> Image:
        """Compiles the session's sketch with arduino-cli if a board is named, else all sources."""
        if "fqbn" not in values:
            return _LAYOUT.check(folder, values)
        build = folder / "build"
        self._cli(folder, values, "compile", "--library", str(folder), "--output-dir", str(build))
        images = sorted(build.glob("*.elf")) or [build]
        return Image(images[0])

    def flash(self, folder: Path, values: Values) -> None:
        """Uploads the session's sketch with arduino-cli."""
        port = require_port(values)
        self._cli(folder, values, "upload", "--port", port, "--input-dir", str(folder / "build"))

    def open_transport(self, folder: Path, values: Values) -> Transport:
        """The board's serial port."""
        return open_port(values)

    def _cli(self, folder: Path, values: Values, verb: str, *arguments: str) -> None:
        tool = find_vendor_tool("arduino-cli", _WHERE)
        board = ("--fqbn", str(values["fqbn"])) if "fqbn" in values else ()
        sketch = str(folder / "examples" / "Session")
        run_tool([tool, verb, *board, *arguments, sketch], folder)


PROJECT_TYPE: ProjectType = ArduinoProject()
