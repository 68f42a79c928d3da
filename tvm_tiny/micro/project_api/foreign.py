"""Projects and templates of other tools, used through their Project API servers.

The servers keep no option values, so every call passes the values of all options, as tvmc does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvm_tiny.archive.reader import Archive, open_archive
from tvm_tiny.errors import DataError

from ..compiler import runtime_folder
from ..projects.base import Image, Option
from ..projects.project import PROJECT_FILE, Project, open_project, set_aside
from ..projects.values import check_values
from .client import ProjectClient, has_server
from .protocol import option_from_entry
from .transport import ClientTransport

if TYPE_CHECKING:
    from ..session.transport import Transport


@dataclass(frozen=True)
class Described:
    """A server's description of its folder. model: a project's archive, None for a template."""

    name: str
    is_template: bool
    model: Path | None
    options: tuple[Option, ...]

    def values(self, given: Mapping[str, object], method: str) -> dict[str, Any]:
        """Values of all options, as clients of microTVM send them; null where unset."""
        checked = check_values(self.name, self.options, given, method)
        return {option.name: checked.get(option.name, option.default) for option in self.options}


def describe(client: ProjectClient, folder: Path) -> Described:
    """Asks a server for its description; DataError if the answer is none."""
    info = client.info()
    try:
        options = tuple(option_from_entry(entry) for entry in info["project_options"])
        name, is_template = str(info["platform_name"]), bool(info["is_template"])
        model = info.get("model_library_format_path")
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"'{folder}' describes itself in a wrong way ({error!r})") from None
    return Described(name, is_template, folder / model if model else None, options)


@dataclass(frozen=True)
class ForeignProject:
    """A project that another template made, with the methods of `Project`."""

    folder: Path

    def build(self, given: Mapping[str, object] | None = None) -> Image:
        """Builds the project. Its folder is the image: only the template knows the files."""
        self._call("build", given)
        return Image(self.folder)

    def flash(self, given: Mapping[str, object] | None = None) -> None:
        """Programs the board."""
        self._call("flash", given)

    def open_transport(self, given: Mapping[str, object] | None = None) -> Transport:
        """Opens a line to the project's program, through the server."""
        client = ProjectClient(self.folder)
        try:
            described = describe(client, self.folder)
            return ClientTransport(client, described.values(given or {}, "open_transport"))
        except BaseException:
            client.close()
            raise

    def archives(self) -> list[Archive]:
        """The project's model, without files, which are temporary; DataError without a model."""
        with ProjectClient(self.folder) as client:
            described = describe(client, self.folder)
        if described.model is None:
            raise DataError(f"'{self.folder}' does not say where its model is")
        with open_archive(described.model) as archive:
            return [archive]

    def _call(self, method: str, given: Mapping[str, object] | None) -> None:
        with ProjectClient(self.folder) as client:
            described = describe(client, self.folder)
            if described.is_template:
                raise DataError(f"'{self.folder}' is a template: create a project from it first")
            client.call(method, options=described.values(given or {}, method))


def find_project(folder: Path) -> Project | ForeignProject:
    """The project in a folder: ours by its project.json, else one with a server.

    Raises DataError for a folder that is neither.
    """
    if not (folder / PROJECT_FILE).is_file() and has_server(folder):
        return ForeignProject(folder)
    return open_project(folder)


def create_from_template(
    template: Path,
    folder: Path,
    archive: Path,
    given: Mapping[str, object],
    *,
    standalone_crt: Path | None = None,
    force: bool = False,
) -> ForeignProject:
    """Generates a project around one compiled model with a template's own server.

    standalone_crt  microTVM's C runtime, for templates that copy from it; runtime_c by default,
                    since our models do not need it

    The server gets the final name of the folder, which it may write into files. If it fails, the
    files it has written are removed. Raises DataError for an existing folder, a damaged model and
    a folder that is no template, and the errors that the server reports.
    """
    with open_archive(archive):
        pass
    with ProjectClient(template) as client:
        described = describe(client, template)
        if not described.is_template:
            raise DataError(f"'{template}' is a project, not a template")
        options = described.values(given, "generate_project")
        _check_free(folder, force)
        with set_aside(folder), runtime_folder() as runtime:
            client.call(
                "generate_project",
                model_library_format_path=str(archive.absolute()),
                standalone_crt_dir=str((standalone_crt or runtime).absolute()),
                project_dir=str(folder.absolute()),
                options=options,
            )
    return ForeignProject(folder)


def _check_free(folder: Path, force: bool) -> None:
    if not folder.absolute().parent.is_dir():
        raise DataError(f"project '{folder}': the folder {folder.absolute().parent} does not exist")
    if not folder.exists():
        return
    if not force:
        raise DataError(
            f"project '{folder}' exists already; choose another name, or --force to replace it"
        )
    if not has_server(folder):
        raise DataError(f"'{folder}' holds no project, so --force does not replace it")
