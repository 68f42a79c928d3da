"""The methods of the Project API, which a server runs for a project or template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvm_tiny.errors import DataError

from ..projects.base import ProjectType, find_project_type
from ..projects.project import MODEL_FILE, PROJECT_FILE, Project, create_project, open_project
from ..projects.values import check_values
from .protocol import (
    IO_TIMEOUT,
    PROTOCOL_VERSION,
    TRANSPORT_CLOSED,
    ErrorCode,
    RpcError,
    decode,
    encode,
    option_entry,
)

if TYPE_CHECKING:
    from ..session.transport import Transport

# A session of tvm_tiny starts within these times on any emulator; slower boards retry.
_TIMEOUTS = {
    "session_start_retry_timeout_sec": 2.0,
    "session_start_timeout_sec": 30.0,
    "session_established_timeout_sec": 30.0,
}

# A wait without end is cut into waits of this length, to notice a transport that was closed.
_SLICE_S = 1.0
_FOREVER_S = 86_400.0

_Number = int | float | None


class Handler:
    """Serves a folder: a project if project.json is there, else the named template."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._project: Project | None = None
        if (folder / PROJECT_FILE).is_file():
            self._project = open_project(folder)
            self._type: ProjectType = self._project.type
        else:
            self._type = find_project_type(folder.name)
        self._transport: Transport | None = None

    def server_info_query(self, tvm_version: str = "") -> dict[str, Any]:
        """Describes this folder. tvm_version: ignored, since any version will do."""
        project, options = self._project, self._type.options()
        if project is not None:
            # Clients send defaults back with each call, so a project's values must be its defaults.
            values = project.values
            options = [replace(o, default=values.get(o.name, o.default)) for o in options]
        return {
            "platform_name": self._type.name,
            "is_template": project is None,
            "model_library_format_path": "" if project is None else str(self._folder / MODEL_FILE),
            "project_options": [option_entry(option) for option in options],
            "protocol_version": PROTOCOL_VERSION,
        }

    def generate_project(
        self,
        model_library_format_path: str,
        standalone_crt_dir: str,
        project_dir: str,
        options: Mapping[str, Any],
    ) -> None:
        """Generates a project. standalone_crt_dir: microTVM's C runtime, which is not used."""
        if self._project is not None:
            raise DataError(f"'{self._folder}' is a project already, not a template")
        given = self._of(options, "generate_project")
        create_project(Path(project_dir), [Path(model_library_format_path)], self._type.name, given)

    def build(self, options: Mapping[str, Any]) -> None:
        """Compiles the project."""
        self._open().build(self._of(options, "build"))

    def flash(self, options: Mapping[str, Any]) -> None:
        """Programs the board."""
        self._open().flash(self._of(options, "flash"))

    def open_transport(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Starts the program and connects to it; does nothing if already connected."""
        if self._transport is None:
            self._transport = self._open().open_transport(self._of(options, "open_transport"))
        return {"timeouts": _TIMEOUTS}

    def close_transport(self) -> None:
        """Closes the transport; does nothing if it is closed already."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def read_transport(self, n: int, timeout_sec: _Number) -> dict[str, Any]:
        """Reads 1 to n bytes as soon as any arrive; all n without a time-out."""
        transport = self._opened()
        if timeout_sec is not None:
            data = transport.read(n, float(timeout_sec))
        else:
            data = b""
            while len(data) < n:
                data += transport.read(n - len(data), _SLICE_S)
        if n and not data:
            raise RpcError(ErrorCode.SERVER_ERROR, IO_TIMEOUT)
        return {"data": encode(data)}

    def write_transport(self, data: str, timeout_sec: _Number) -> None:
        """Writes all of `data`, which is base85."""
        transport = self._opened()
        try:
            raw = decode(data)
        except ValueError as error:
            message = f"write_transport: data is not base85 ({error})"
            raise RpcError(ErrorCode.INVALID_PARAMS, message) from None
        transport.write(raw, _FOREVER_S if timeout_sec is None else float(timeout_sec))

    def _open(self) -> Project:
        if self._project is None:
            raise DataError(f"'{self._folder}' is a template: generate a project first")
        return self._project

    def _opened(self) -> Transport:
        if self._transport is None:
            raise RpcError(ErrorCode.SERVER_ERROR, TRANSPORT_CLOSED)
        return self._transport

    def _of(self, options: Mapping[str, Any], method: str) -> dict[str, Any]:
        """The options of one method; clients of microTVM send those of all methods."""
        kind, known = self._type.name, self._type.options()
        ours = {option.name for option in known}
        taken = {o.name for o in known if method in o.required_in or method in o.optional_in}
        unknown = [name for name in options if name not in ours]
        if unknown:
            check_values(kind, known, {unknown[0]: None}, method)
        return {name: value for name, value in options.items() if name in taken}
