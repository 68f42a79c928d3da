"""A component for Espressif's ESP-IDF, with a project that serves a session on a UART."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tvm_tiny._version import __version__

from . import make
from .base import BUILD, Image, Option, ProjectType, Values
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

_CHIP = Option(
    name="chip",
    help="Build examples/session for it with idf.py, such as esp32s3.",
    optional_in=(BUILD,),
)
_WHERE = "https://docs.espressif.com/projects/esp-idf"
_LAYOUT = Layout(headers="include", sources="src")
_EXAMPLE = "examples/session"
_FILES = (
    "CMakeLists.txt",
    "idf_component.yml",
    f"{_EXAMPLE}/CMakeLists.txt",
    f"{_EXAMPLE}/main/CMakeLists.txt",
    f"{_EXAMPLE}/main/main.c",
)


class EspIdfProject:
    """A component for a project's folder components/, or for EXTRA_COMPONENT_DIRS."""

    name = "esp-idf"
    title = "a component for ESP-IDF"

    def options(self) -> Sequence[Option]:
        """Options for the target, and for the chip and port that idf.py needs."""
        return (TARGET, _CHIP, PORT, BAUD)

    def generate(self, folder: Path, archives: Sequence[Archive], values: Values) -> None:
        """See `ProjectType.generate`."""
        sources = _LAYOUT.fill(folder, archives)
        models = [archive.info for archive in archives]
        context = {"models": models, "version": __version__, "sources": sources}
        for name in _FILES:
            make.write_template(folder / name, f"esp-idf/{name}.j2", context)

    def build(self, folder: Path, values: Values) -> Image:
        """Builds the example with idf.py where a chip is named, else compiles all sources."""
        if "chip" not in values:
            return _LAYOUT.check(folder, values)
        example = folder / _EXAMPLE
        self._idf(folder, "set-target", str(values["chip"]))
        self._idf(folder, "build")
        return Image(example / "build" / "session.elf")

    def flash(self, folder: Path, values: Values) -> None:
        """Programs the example with idf.py."""
        self._idf(folder, "-p", require_port(values), "flash")

    def open_transport(self, folder: Path, values: Values) -> Transport:
        """The board's serial port."""
        return open_port(values)

    def _idf(self, folder: Path, *arguments: str) -> None:
        tool = find_vendor_tool("idf.py", _WHERE)
        run_tool([tool, "-C", str(folder / _EXAMPLE), *arguments], folder)


PROJECT_TYPE: ProjectType = EspIdfProject()
