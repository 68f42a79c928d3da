"""The interface of project types, and the list of all types.

A type is a module of this package with a constant `PROJECT_TYPE`. To add one, write the module
and enter its name in `_MODULES`.
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

#: Names of the methods that take options, as microTVM's Project API has them.
GENERATE, BUILD, FLASH, OPEN = "generate_project", "build", "flash", "open_transport"
METHODS = (GENERATE, BUILD, FLASH, OPEN)

OptionValue = str | int | bool
#: Checked values by name of their option. An option without value and default is absent.
Values = Mapping[str, OptionValue]


@dataclass(frozen=True)
class Option:
    """An option of a project type; the fields are those of microTVM's ProjectOption.

    type         "str", "int" or "bool"
    choices      the allowed values; empty where all values of the type are allowed
    required_in  methods that fail without the option
    optional_in  methods that take the option and work without it
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
    """The executable or library that `build` made.

    flash_bytes  size of code, constants and initial values; None if unknown
    ram_bytes    size of data and arena, without the stack; None if unknown
    """

    path: Path
    flash_bytes: int | None = None
    ram_bytes: int | None = None


class ProjectType(Protocol):
    """How projects of one type are made and used.

    `build`, `flash` and `open_transport` get the values with which the project was generated, which
    project.json keeps, overridden by those that the caller gives.

    name   key in `_MODULES`
    title  a description in a few words
    """

    name: str
    title: str

    def options(self) -> Sequence[Option]:
        """All options of all methods."""
        ...

    def generate(self, folder: Path, archives: Sequence[Archive], values: Values) -> None:
        """Writes the project into `folder`, which already holds the models.

        folder    has a temporary name, so no file may contain its absolute path
        archives  the models, unpacked at folder/models/<name of the model>

        Raises DataError for values that do not fit, BudgetError for a model larger than the board.
        """
        ...

    def build(self, folder: Path, values: Values) -> Image:
        """Compiles the project; BoardError if it fails, ToolchainError without a tool."""
        ...

    def flash(self, folder: Path, values: Values) -> None:
        """Programs the board; does nothing for an emulator. Raises BoardError, ToolchainError."""
        ...

    def open_transport(self, folder: Path, values: Values) -> Transport:
        """Starts the session server and opens a line to it; BoardError if that fails."""
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
    """The project type of a name; DataError with a suggestion for an unknown name."""
    if name not in _MODULES:
        raise DataError(f"unknown template {name!r}{did_you_mean(name, _MODULES)}")
    module = importlib.import_module(f"{__package__}.{_MODULES[name]}")
    found: ProjectType = module.PROJECT_TYPE
    return found
