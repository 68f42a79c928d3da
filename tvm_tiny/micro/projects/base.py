"""What a type of project is: options, and how a project is generated, built, flashed, talked to.

A type is a module of this package with a constant `PROJECT_TYPE`; a new one is a new module and
its name in `_MODULES`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tvm_tiny.errors import DataError
from tvm_tiny.text import did_you_mean

if TYPE_CHECKING:
    from tvm_tiny.archive.reader import Archive

    from ..session.transport import Transport

#: Methods that take options: those of microTVM's Project API.
GENERATE, BUILD, FLASH, OPEN = "generate_project", "build", "flash", "open_transport"
METHODS = (GENERATE, BUILD, FLASH, OPEN)

OptionValue = str | int | bool
#: Values by the name of their option, checked; an option without value and default is absent.
Values = Mapping[str, OptionValue]


@dataclass(frozen=True)
class Option:
    """An option of a project type; the fields are those of microTVM's ProjectOption.

    type: "str", "int" or "bool"; choices: the only values there are, if any; required_in: methods
    that fail without it; optional_in: methods that take it, and others do not.
    """

    name: str
    help: str
    type: str = "str"
    default: OptionValue | None = None
    choices: tuple[str, ...] = ()
    required_in: tuple[str, ...] = ()
    optional_in: tuple[str, ...] = ()


@dataclass(frozen=True)
class Image:
    """What `build` made: the executable (or object library); bytes it needs, None if unknown.

    flash_bytes: code, constants and initial values; ram_bytes: data and arena, without the stack.
    """

    path: Path
    flash_bytes: int | None = None
    ram_bytes: int | None = None


class ProjectType(Protocol):
    """How projects of one type are made and used. `name`: of the registry; `title`: a line.

    A project keeps all values in project.json, so `build`, `flash` and `open_transport` get those
    it was generated with, and what their callers give on top.
    """

    name: str
    title: str

    def options(self) -> Sequence[Option]:
        """All options of all methods."""
        ...

    def generate(self, folder: Path, archives: Sequence[Archive], values: Values) -> None:
        """Writes the project into `folder`, in which the models already are.

        archives: unpacked at folder/models/<name of the model>. folder is a temporary name that
        the caller renames: nothing written may hold its absolute path. Raises DataError for
        values that do not fit, BudgetError for a model larger than the board.
        """
        ...

    def build(self, folder: Path, values: Values) -> Image:
        """Compiles; BoardError where that fails, ToolchainError where a tool is missing."""
        ...

    def flash(self, folder: Path, values: Values) -> None:
        """Programs the board; nothing to do for an emulator. BoardError, ToolchainError."""
        ...

    def open_transport(self, folder: Path, values: Values) -> Transport:
        """Bytes to and from the session server, which has just been started. BoardError."""
        ...


_MODULES: Mapping[str, str] = {
    "host": "host",
    "baremetal": "baremetal",
    "zephyr": "zephyr",
    "arduino": "arduino",
    "esp-idf": "esp_idf",
    "cmsis-pack": "cmsis_pack",
}

#: Names of all project types.
PROJECT_TYPES = tuple(_MODULES)


def find_project_type(name: str) -> ProjectType:
    """The type of that name; DataError with a suggestion if there is none."""
    if name not in _MODULES:
        raise DataError(f"unknown template {name!r}{did_you_mean(name, _MODULES)}")
    module = importlib.import_module(f"{__package__}.{_MODULES[name]}")
    found: ProjectType = module.PROJECT_TYPE
    return found
