"""`tvm-tiny micro create-project`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tvm_tiny.errors import DataError

from . import options
from .micro_options import Force, ProjectOptions, option_table
from .printer import Printer

ArchivePaths = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="ARCHIVE...", show_default=False, help="What `compile` wrote; several share memory."
    ),
]
NewProject = Annotated[
    Path | None,
    typer.Argument(metavar="DIR", show_default=False, help="The project; must not exist."),
]
Template = Annotated[
    str | None,
    typer.Option(
        "--template",
        help="host, baremetal, zephyr, arduino, esp-idf or cmsis-pack.",
        autocompletion=lambda incomplete: _complete(incomplete),
    ),
]
TemplateDir = Annotated[
    Path | None,
    typer.Option(
        "--template-dir", metavar="TEMPLATE", help="A template with a microtvm_api_server.py."
    ),
]
CrtDir = Annotated[
    Path | None,
    typer.Option(
        "--standalone-crt-dir",
        metavar="CRT",
        help="microTVM's C runtime, for templates of others that copy from it.",
    ),
]
BoardOption = Annotated[
    str | None, typer.Option("--board", help="Short for --project-option board=...")
]
ListOptions = Annotated[
    bool, typer.Option("--list-options", help="List the template's options and exit.")
]


def _complete(incomplete: str) -> list[str]:
    from tvm_tiny.micro.projects.base import PROJECT_TYPES

    return [name for name in PROJECT_TYPES if name.startswith(incomplete)]


def create_project(
    folder: NewProject = None,
    archives: ArchivePaths = None,
    template: Template = None,
    template_dir: TemplateDir = None,
    standalone_crt_dir: CrtDir = None,
    board: BoardOption = None,
    project_option: ProjectOptions = None,
    list_options: ListOptions = False,
    force: Force = False,
    as_json: options.AsJson = False,
) -> None:
    """Generate a project around compiled models.

    The project is a folder that builds without this tool, too. `build`, `flash` and `run` need
    only its name; they also work for projects of other templates that serve microTVM's Project
    API.
    """
    printer = Printer("micro create-project", as_json=as_json)
    if (template is None) == (template_dir is None):
        raise typer.BadParameter("give either --template or --template-dir")
    known = _known_options(template, template_dir)
    if list_options:
        entries = [_entry(option) for option in known]
        printer.finish({"options": entries}, [option_table(known)])
        return
    if folder is None or not archives:
        raise typer.BadParameter("missing arguments: DIR and ARCHIVE")
    from tvm_tiny.micro.projects.values import split_assignments

    given = split_assignments(project_option or [])
    if board is not None and given.setdefault("board", board) != board:
        raise DataError("--board and --project-option board=... differ; give one of them")
    with printer.stage(f"generating {folder}"):
        if template_dir is None:
            models = _create(folder, archives, str(template), given, force)
        else:
            crt = standalone_crt_dir
            models = _create_from(folder, archives, template_dir, given, force, crt)
    name = template or str(template_dir)
    fields = {"project": str(folder), "template": name, "models": models, "options": given}
    printer.finish(fields, [f"wrote {folder}: template {name}, models {', '.join(models)}"])


def _known_options(template: str | None, template_dir: Path | None) -> Any:
    if template_dir is None:
        from tvm_tiny.micro.projects.base import find_project_type

        assert template is not None
        return find_project_type(template).options()
    from tvm_tiny.micro.project_api import ProjectClient
    from tvm_tiny.micro.project_api.foreign import describe

    with ProjectClient(template_dir) as client:
        return describe(client, template_dir).options


def _entry(option: Any) -> dict[str, Any]:
    from tvm_tiny.micro.project_api.protocol import option_entry

    return option_entry(option)


def _create(
    folder: Path, archives: list[Path], template: str, given: dict[str, str], force: bool
) -> list[str]:
    """Creates a project of one of our types, and gives the names of its models."""
    from tvm_tiny.micro.projects import create_project as create

    return list(create(folder, archives, template, given, force=force).models)


def _create_from(
    folder: Path,
    archives: list[Path],
    template: Path,
    given: dict[str, str],
    force: bool,
    standalone_crt: Path | None,
) -> list[str]:
    """Names of the models."""
    from tvm_tiny.archive.reader import open_archive
    from tvm_tiny.micro.project_api import create_from_template

    if len(archives) != 1:
        raise DataError("templates of others take one archive")
    create_from_template(
        template, folder, archives[0], given, standalone_crt=standalone_crt, force=force
    )
    with open_archive(archives[0]) as archive:
        return [archive.info.name]
