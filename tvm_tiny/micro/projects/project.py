"""Makes project folders, whole or not at all, and opens them again.

project.json            type, option values and models, which build, flash and run read
microtvm_api_server.py  microTVM's Project API for this folder
model.tar               the first model, where tools of microTVM look for it
models/NAME/            every model, unpacked
...                     further files of the project's type
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvm_tiny._version import __version__
from tvm_tiny.aot.archive import write_archive, write_folder
from tvm_tiny.archive.reader import Archive, open_archive, read_folder
from tvm_tiny.errors import DataError

from ..compiler import runtime_folder
from .base import BUILD, FLASH, GENERATE, OPEN, Image, ProjectType, Values, find_project_type
from .values import check_values, merged

if TYPE_CHECKING:
    from ..session.transport import Transport

#: Version of project.json's layout.
PROJECT_FORMAT = 1
PROJECT_FILE = "project.json"
SERVER_FILE = "microtvm_api_server.py"
MODEL_FILE = "model.tar"


@dataclass(frozen=True)
class Project:
    """A generated project. models: names of its models, in the order given to `create_project`."""

    folder: Path
    type: ProjectType
    values: Values
    models: tuple[str, ...]

    def archives(self) -> list[Archive]:
        """The models; DataError if one is damaged or of another version."""
        return [read_folder(self.folder / "models" / name) for name in self.models]

    def build(self, given: Mapping[str, object] | None = None) -> Image:
        """Compiles. `given` changes options for this call. Raises what `ProjectType.build` does."""
        self.archives()  # models of another version would fail with messages that mislead
        return self.type.build(self.folder.absolute(), self._values(BUILD, given))

    def flash(self, given: Mapping[str, object] | None = None) -> None:
        """Programs the board. Raises what `ProjectType.flash` does."""
        self.type.flash(self.folder.absolute(), self._values(FLASH, given))

    def open_transport(self, given: Mapping[str, object] | None = None) -> Transport:
        """Starts the program and connects. Raises what `ProjectType.open_transport` does."""
        return self.type.open_transport(self.folder.absolute(), self._values(OPEN, given))

    def _values(self, method: str, given: Mapping[str, object] | None) -> Values:
        """The caller's values, else those of the project, else defaults."""
        options = self.type.options()
        defaults = check_values(self.type.name, options, self.values, method, strict=False)
        called = {name: value for name, value in (given or {}).items() if value is not None}
        checked = check_values(self.type.name, options, {**defaults, **called}, method)
        return merged(self.values, checked)


def create_project(
    folder: Path,
    archives: Sequence[Path],
    kind: str,
    given: Mapping[str, object],
    *,
    force: bool = False,
) -> Project:
    """Generates a project of type `kind` around compiled models.

    folder    must not exist; with `force` a project in it is replaced
    archives  Model Library Format archives or folders, with different model names
    given     values of the type's options

    Nothing is left behind where it fails. Raises DataError for unknown types and options, bad
    archives, an existing folder; BudgetError where a board is too small.
    """
    found = find_project_type(kind)
    values = check_values(kind, found.options(), given, GENERATE)
    _check_free(folder, force)
    temporary = Path(tempfile.mkdtemp(dir=folder.absolute().parent, prefix=f".{folder.name}."))
    try:
        with _opened(archives) as opened:
            models = tuple(archive.info.name for archive in opened)
            copied = [_copy(archive, temporary) for archive in opened]
        found.generate(temporary, copied, values)
        _add_common(temporary, found, values, models)
        temporary.chmod(0o755)
        with set_aside(folder):
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Project(folder, found, values, models)


def open_project(folder: Path) -> Project:
    """A project that `create_project` made; DataError for anything else."""
    path = folder / PROJECT_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        version = document["format"]
        kind, values = str(document["type"]), dict(document["options"])
        models = tuple(str(name) for name in document["models"])
    except OSError as error:
        raise DataError(
            f"'{folder}' is not a project: {PROJECT_FILE} cannot be read ({error.strerror}); "
            "'tvm-tiny micro create-project' makes one"
        ) from None
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"'{path}' is damaged ({error!r}); create the project again") from None
    if version != PROJECT_FORMAT:
        raise DataError(
            f"'{folder}': project of format {version!r}, expected {PROJECT_FORMAT}; create it again"
        )
    return Project(folder, find_project_type(kind), values, models)


@contextmanager
def set_aside(folder: Path) -> Iterator[None]:
    """Moves a folder out of the way, and back if an exception ends the block."""
    with tempfile.TemporaryDirectory(dir=folder.absolute().parent, prefix=".old.") as away:
        kept = Path(away) / folder.name
        if folder.exists():
            folder.rename(kept)
        try:
            yield
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            if kept.exists():
                kept.rename(folder)
            raise


def server_script() -> str:
    """The text of microtvm_api_server.py, the same for every project and template."""
    with runtime_folder() as runtime:
        return (runtime / "projects" / SERVER_FILE).read_text(encoding="utf-8")


@contextmanager
def _opened(paths: Sequence[Path]) -> Iterator[list[Archive]]:
    with ExitStack() as stack:
        opened = [stack.enter_context(open_archive(path)) for path in paths]
        names: set[str] = set()
        for path, archive in zip(paths, opened, strict=True):
            name = archive.info.name
            if name in names:
                raise DataError(
                    f"'{path}': another model is named {name!r} already; compile one of them "
                    "with --name"
                )
            names.add(name)
            if archive.changed:
                changed = ", ".join(archive.changed)
                message = f"'{path}': files changed since they were compiled: {changed}"
                warnings.warn(message, stacklevel=4)
        yield opened


def _copy(archive: Archive, project: Path) -> Archive:
    """Copies the files that the compiler wrote, and no others, into the project."""
    target = project / "models" / archive.info.name
    names = sorted(("metadata.json", *archive.info.files))
    files = {name: (archive.folder / name).read_bytes() for name in names}
    target.parent.mkdir(exist_ok=True)
    write_folder(files, target)
    if not (project / MODEL_FILE).exists():
        write_archive(files, project / MODEL_FILE)
    return read_folder(target)


def _add_common(folder: Path, found: ProjectType, values: Values, models: tuple[str, ...]) -> None:
    document: dict[str, Any] = {
        "format": PROJECT_FORMAT,
        "generator": f"tvm-tiny {__version__}",
        "type": found.name,
        "options": dict(values),
        "models": list(models),
    }
    text = json.dumps(document, indent=2) + "\n"
    (folder / PROJECT_FILE).write_text(text, encoding="utf-8")
    (folder / SERVER_FILE).write_text(server_script(), encoding="utf-8")


def _check_free(folder: Path, force: bool) -> None:
    """Raises DataError, before any work, if the project's folder cannot be made."""
    parent = folder.absolute().parent
    if not parent.is_dir():
        raise DataError(f"project '{folder}': the folder {parent} does not exist")
    if not (folder.exists() or folder.is_symlink()):
        return
    if not force:
        raise DataError(
            f"project '{folder}' exists already; choose another name, or --force to replace it"
        )
    if not (folder / PROJECT_FILE).is_file():
        raise DataError(f"'{folder}' holds no project of ours, so --force does not replace it")
