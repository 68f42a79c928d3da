"""`tvm-tiny micro`: projects around compiled models, with the verbs of `tvmc micro`."""

from __future__ import annotations

import shutil
from pathlib import Path

import typer

from tvm_tiny.errors import DataError

from . import micro_create, micro_run, options
from .micro_options import Force, ProjectOptions, ProjectPath
from .printer import Printer, amount, summary


def build_project(
    folder: ProjectPath,
    project_option: ProjectOptions = None,
    force: Force = False,
    as_json: options.AsJson = False,
) -> None:
    """Compile a project; says how much flash and RAM it takes.

    Only what changed is compiled again, with --force everything.
    """
    from tvm_tiny.micro.project_api.foreign import find_project
    from tvm_tiny.micro.projects.values import split_assignments

    printer = Printer("micro build", as_json=as_json)
    project = find_project(folder)
    given = split_assignments(project_option or [])
    with printer.stage(f"building {folder}"):
        if force:
            _clean(folder)
        image = project.build(given)
    fields = {
        "project": str(folder),
        "image": str(image.path),
        "flash_bytes": image.flash_bytes,
        "ram_bytes": image.ram_bytes,
    }
    rows = [
        ("image", str(image.path)),
        ("flash", amount(image.flash_bytes)),
        ("RAM", f"{amount(image.ram_bytes)}, without the stack"),
    ]
    printer.finish(fields, [summary(rows)])


def _clean(folder: Path) -> None:
    try:
        shutil.rmtree(folder / "build")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise DataError(f"'{folder / 'build'}' cannot be removed: {error.strerror}") from None


def flash_project(
    folder: ProjectPath,
    project_option: ProjectOptions = None,
    as_json: options.AsJson = False,
) -> None:
    """Program a board with what `build` made; emulators need none."""
    from tvm_tiny.micro.project_api.foreign import find_project
    from tvm_tiny.micro.projects.values import split_assignments

    printer = Printer("micro flash", as_json=as_json)
    project = find_project(folder)
    with printer.stage(f"flashing {folder}"):
        project.flash(split_assignments(project_option or []))
    printer.finish({"project": str(folder)}, [f"flashed {folder}"])


app = typer.Typer(
    name="micro",
    help="Projects around compiled models: create, build, flash, run.",
    no_args_is_help=True,
)
app.command("create-project")(micro_create.create_project)
app.command("create", hidden=True)(micro_create.create_project)
app.command("build")(build_project)
app.command("flash")(flash_project)
app.command("run")(micro_run.run_project)
