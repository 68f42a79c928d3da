"""Options of the commands of `tvm-tiny micro`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from .printer import listing

if TYPE_CHECKING:
    from tvm_tiny.micro.projects import Option

ProjectPath = Annotated[Path, typer.Argument(metavar="DIR", help="What `create-project` made.")]
ProjectOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--project-option",
        metavar="NAME=VALUE",
        help="An option of the project's type; may be given several times.",
    ),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace what is there.")]


def option_table(options: Sequence[Option]) -> Table:
    """A table of all options, with the commands that take or require them."""
    headers = [(title, "left") for title in ("option", "values", "default", "for", "what")]
    rows = [
        (
            option.name,
            _values(option),
            "" if option.default is None else str(option.default).lower(),
            _methods(option),
            option.help,
        )
        for option in sorted(options, key=lambda o: (not o.required_in, o.name))
    ]
    return listing(headers, rows)


def _values(option: Option) -> str:
    if option.choices:
        return ", ".join(option.choices)
    return {"bool": "true, false", "int": "integer"}.get(option.type, "text")


def _methods(option: Option) -> str:
    needed = [f"{_verb(method)} (required)" for method in option.required_in]
    return ", ".join([*needed, *map(_verb, option.optional_in)])


def _verb(method: str) -> str:
    names = {"generate_project": "create-project", "open_transport": "run"}
    return names.get(method, method)
