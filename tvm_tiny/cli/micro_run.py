"""`tvm-tiny micro run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tvm_tiny.errors import DataError

from . import options
from .micro_options import ProjectOptions, ProjectPath
from .printer import Printer, amount, listing, summary
from .run import Inputs, Outputs, check_output
from .samples import read_samples, source_in_words

if TYPE_CHECKING:
    from tvm_tiny.archive.reader import Archive
    from tvm_tiny.micro.project_api import ForeignProject
    from tvm_tiny.micro.projects import Project
    from tvm_tiny.micro.session import Marks, Session, StepTime

Model = Annotated[
    str | None, typer.Option("--model", help="Which of the project's models; default: the first.")
]
NoBuild = Annotated[bool, typer.Option("--no-build", help="Run what the last build made.")]


def run_project(
    folder: ProjectPath,
    model: Model = None,
    inputs: Inputs = None,
    outputs: Outputs = None,
    count: options.Count = 1,
    seed: options.Seed = 0,
    timeout: options.Timeout = 300.0,
    no_build: NoBuild = False,
    project_option: ProjectOptions = None,
    as_json: options.AsJson = False,
    verbose: options.Verbose = False,
) -> None:
    """Build a project, start it, and run a model on it through a session.

    Inputs and outputs are in the model's own dtypes and layouts, one array a name, with the
    samples along the first axis.
    """
    from tvm_tiny.micro.project_api.foreign import find_project
    from tvm_tiny.micro.projects.values import split_assignments
    from tvm_tiny.micro.session import Session
    from tvm_tiny.samples import join_outputs, save_npz

    printer = Printer("micro run", as_json=as_json)
    project = find_project(folder)
    given = split_assignments(project_option or [])
    _check_app(project, folder)
    archive = _choose(project.archives(), model, folder)
    if outputs is not None:
        check_output(outputs)
    ports = archive.interface
    samples, source = read_samples(ports.inputs, inputs, count, seed)
    for_build = _of_build(project, given)
    if not no_build:
        with printer.stage(f"building {folder}"):
            project.build(for_build)
    name = archive.info.name
    with (
        printer.stage(f"running {len(samples)} samples of {name}"),
        Session(project.open_transport(given), run_timeout_s=timeout) as session,
    ):
        runs = [_run(session, name, ports, sample) for sample in samples]
        marks, steps, seconds = session.marks, session.timing(), session.seconds
    if outputs is not None:
        save_npz(outputs, join_outputs(ports.outputs, runs))
    fields = {
        "project": str(folder),
        "model": name,
        "samples": {"count": len(samples), **source},
        "outputs": None if outputs is None else str(outputs),
        "stack_bytes": marks.stack,
        "arena_bytes": archive.info.workspace_bytes,
        "arena_used_bytes": marks.arena,
        "seconds": seconds,
        "steps": [{"index": s.index, "name": s.name, "seconds": s.seconds} for s in steps],
    }
    printer.finish(fields, _lines(fields, marks, steps, outputs, verbose))


def _check_app(project: Project | ForeignProject, folder: Path) -> None:
    if getattr(project, "values", {}).get("app") == "mlperf":
        raise DataError(
            f"'{folder}' has app=mlperf: it speaks with MLPerf Tiny's runner (docs/mlperf.md), and "
            "not in sessions"
        )


def _of_build(project: Project | ForeignProject, given: dict[str, str]) -> dict[str, str]:
    """Takes out of `given` the options that only a build takes."""
    from tvm_tiny.micro.projects import Project
    from tvm_tiny.micro.projects.base import BUILD, OPEN
    from tvm_tiny.micro.projects.values import takes

    if not isinstance(project, Project):
        return {}
    options = project.type.options()
    ours = {o.name for o in options if takes(o, BUILD) and not takes(o, OPEN)}
    return {name: given.pop(name) for name in list(given) if name in ours}


def _choose(archives: list[Archive], model: str | None, folder: Path) -> Archive:
    from tvm_tiny.text import did_you_mean

    names = {archive.info.name: archive for archive in archives}
    if model is None:
        return archives[0]
    if model not in names:
        raise DataError(f"'{folder}' has no model {model!r}{did_you_mean(model, names)}")
    return names[model]


def _run(session: Session, name: str, ports: Any, sample: list[Any]) -> list[Any]:
    """Outputs of one sample, both in the model's own dtypes and layouts."""
    device = [port.to_device(array) for port, array in zip(ports.inputs, sample, strict=True)]
    results = session.run(device, name, measure=True)
    return [port.from_device(array) for port, array in zip(ports.outputs, results, strict=True)]


def _lines(
    fields: dict[str, Any],
    marks: Marks,
    steps: tuple[StepTime, ...],
    outputs: Path | None,
    verbose: bool,
) -> list[Any]:
    samples, seconds = fields["samples"], fields["seconds"]
    rows = [
        ("model", fields["model"]),
        ("samples", f"{samples['count']}, {source_in_words(samples)}"),
        ("time", "no clock" if seconds is None else f"{seconds * 1000:,.3f} ms an inference"),
        ("stack", "not measured" if marks.stack is None else f"{amount(marks.stack)} at most"),
        ("arena", f"{amount(marks.arena)} used of {amount(fields['arena_bytes'])}"),
    ]
    lines: list[Any] = [summary(rows)]
    if verbose and steps:
        headers = [("step", "right"), ("tensor", "left"), ("ms", "right")]
        table = [(str(s.index), s.name, f"{s.seconds * 1000:,.3f}") for s in steps]
        lines += ["", listing(headers, table)]
    return [*lines, *([] if outputs is None else [f"wrote {outputs}"])]
