"""A folder that is ready to be packed as an Open-CMSIS-Pack."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tvm_tiny._version import __version__
from tvm_tiny.errors import DataError

from . import make
from .base import GENERATE, Image, Option, ProjectType, Values
from .library import TARGET, Layout

if TYPE_CHECKING:
    from tvm_tiny.archive.reader import Archive

    from ..session.transport import Transport

_VENDOR = Option(
    name="vendor", help="Vendor of the pack.", default="Local", optional_in=(GENERATE,)
)
_PACK = Option(
    name="pack", help="Name of the pack.", default="tvm_tiny_models", optional_in=(GENERATE,)
)
_LAYOUT = Layout(headers="include", sources="src")


class CmsisPackProject:
    """A pack with components for each model, the runtime's headers and the session."""

    name = "cmsis-pack"
    title = "a folder for packchk and the CMSIS-Toolbox"

    def options(self) -> Sequence[Option]:
        """Options for the target and for the names of vendor and pack."""
        return (TARGET, _VENDOR, _PACK)

    def generate(self, folder: Path, archives: Sequence[Archive], values: Values) -> None:
        """See `ProjectType.generate`."""
        names = {option: _name(str(values[option])) for option in ("vendor", "pack")}
        sources = _LAYOUT.fill(folder, archives)
        models = [archive.info for archive in archives]
        headers = sorted(
            path.relative_to(folder).as_posix() for path in (folder / "include").rglob("*.h")
        )
        context = {
            **names,
            "version": __version__,
            "models": models,
            "sources": sources,
            "runtime_headers": [name for name in headers if name.startswith("include/tvm_tiny/")],
        }
        path = folder / f"{names['vendor']}.{names['pack']}.pdsc"
        make.write_template(path, "cmsis-pack/pack.pdsc.j2", context)

    def build(self, folder: Path, values: Values) -> Image:
        """Compiles all sources."""
        return _LAYOUT.check(folder, values)

    def flash(self, folder: Path, values: Values) -> None:
        """Raises DataError: a pack has no program."""
        raise DataError(f"'{folder}' is a pack for other projects: it has no program to flash")

    def open_transport(self, folder: Path, values: Values) -> Transport:
        """Raises DataError: a pack has no program."""
        raise DataError(f"'{folder}' is a pack for other projects: it has no program to run")


def _name(value: str) -> str:
    """The given name; DataError if pack descriptions do not allow it."""
    if not value or not value.replace("-", "").replace("_", "").isalnum() or not value.isascii():
        raise DataError(f"name {value!r} of a pack: only letters, digits, - and _ are allowed")
    return value


PROJECT_TYPE: ProjectType = CmsisPackProject()
