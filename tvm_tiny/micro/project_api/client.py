"""A client of Project API servers: ours, and those of other templates and projects."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from tvm_tiny import errors
from tvm_tiny.errors import BoardError, DataError, TransportError

from .protocol import (
    IO_TIMEOUT,
    JSONRPC,
    PROTOCOL_VERSION,
    TRANSPORT_CLOSED,
    UNSUPPORTED_TVM,
)

LAUNCH_FILE = "launch_microtvm_api_server.sh"
SERVER_FILE = "microtvm_api_server.py"

# Building a whole operating system takes long; a server that hangs must still be ended.
_TIMEOUT_S = 3600.0

_CHUNK = 1 << 16


def has_server(folder: Path) -> bool:
    """Whether a folder has a Project API server."""
    return (folder / SERVER_FILE).is_file() or (folder / LAUNCH_FILE).is_file()


class RemoteIoTimeoutError(BoardError):
    """The server's transport had nothing to read, or could not write, within the time given."""


class ProjectClient:
    """A server process and the requests to it, as a context manager."""

    def __init__(self, folder: Path) -> None:
        """Starts the server of a folder; DataError if it has none."""
        command = _command(folder)
        self.folder = folder
        self._next_id = 1
        self._unread = b""
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (`close` closes it)
        ours, theirs = os.pipe(), os.pipe()  # requests and replies: (read end, write end)
        ends = ("--read-fd", str(ours[0]), "--write-fd", str(theirs[1]))
        try:
            self._process = subprocess.Popen(
                [*command, *ends],
                cwd=folder,
                pass_fds=(ours[0], theirs[1]),
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
            )
        except OSError as error:
            _close(ours[1], theirs[0])
            raise BoardError(f"Project API server of '{folder}' does not start: {error}") from None
        finally:
            _close(ours[0], theirs[1])
        self._requests, self._replies = ours[1], theirs[0]

    def __enter__(self) -> ProjectClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection, and ends a server that does not end by itself."""
        if self._requests < 0:
            return
        _close(self._requests, self._replies)
        self._requests = self._replies = -1
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()

    def call(self, method: str, timeout_s: float = _TIMEOUT_S, **parameters: Any) -> Any:
        """Calls a method of the server and gives its result.

        Raises the server's error as the class that the server names, else as BoardError; BoardError
        too if it ends, does not answer in `timeout_s` seconds or sends a malformed reply.
        """
        if self._requests < 0:
            raise BoardError(f"Project API server of '{self.folder}' is closed")
        number, self._next_id = self._next_id, self._next_id + 1
        request = {"jsonrpc": JSONRPC, "id": number, "method": method, "params": parameters}
        with suppress(BrokenPipeError):  # the server has ended: reading its reply explains why
            self._send(json.dumps(request).encode() + b"\n")
        reply = self._reply(method, number, timeout_s)
        if "error" in reply:
            raise self._error(method, reply["error"])
        return reply["result"]

    def info(self) -> dict[str, Any]:
        """Result of `server_info_query`; DataError for another protocol version."""
        from tvm import __version__ as tvm_version

        info = self.call("server_info_query", tvm_version=tvm_version)
        if not isinstance(info, dict) or info.get("protocol_version") != PROTOCOL_VERSION:
            found = info.get("protocol_version") if isinstance(info, dict) else info
            raise DataError(
                f"'{self.folder}' serves version {found!r} of the Project API, expected "
                f"{PROTOCOL_VERSION}"
            )
        return info

    def _send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._requests, data) :]

    def _reply(self, method: str, number: int, timeout_s: float) -> dict[str, Any]:
        line = self._line(method, timeout_s)
        try:
            reply = json.loads(line)
            ok = reply["jsonrpc"] == JSONRPC and reply["id"] in (number, None)
            ok = ok and (("error" in reply) != ("result" in reply) or reply.get("error") is None)
        except (ValueError, TypeError, KeyError):
            ok = False
        if not ok:
            shown = line[:80].decode(errors="replace").strip()
            raise BoardError(f"{method}: '{self.folder}' answers with no valid reply: {shown!r}")
        found: dict[str, Any] = reply
        if found.get("error") is None:
            found.pop("error", None)
        return found

    def _line(self, method: str, timeout_s: float) -> bytes:
        end = time.monotonic() + timeout_s
        while b"\n" not in self._unread:
            left = max(0.0, end - time.monotonic())
            if not select.select([self._replies], [], [], left)[0]:
                raise BoardError(f"{method}: no answer of '{self.folder}' in {timeout_s:g} s")
            data = os.read(self._replies, _CHUNK)
            if not data:
                raise BoardError(f"{method}: {self._how_it_ended()}")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _how_it_ended(self) -> str:
        try:
            status: object = self._process.wait(10)
        except subprocess.TimeoutExpired:
            status = "none"
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        last = f": {lines[-1].removeprefix('error: ')}" if lines else ""
        return f"Project API server of '{self.folder}' ended with status {status}{last}"

    def _error(self, method: str, entry: Any) -> errors.TvmTinyError:
        entry = entry if isinstance(entry, dict) else {"message": str(entry)}
        message, data = str(entry.get("message")), entry.get("data")
        if message == IO_TIMEOUT:
            return RemoteIoTimeoutError(f"{method}: time-out")
        if message == UNSUPPORTED_TVM:
            return DataError(f"'{self.folder}' does not support this version of TVM")
        data = data if isinstance(data, dict) else {}
        told = data.get("message")
        kind = getattr(errors, str(data.get("class")), None)
        if told and isinstance(kind, type) and issubclass(kind, errors.TvmTinyError):
            return kind(str(told))
        if message == TRANSPORT_CLOSED:
            return TransportError(f"{method}: the transport is closed")
        lines = str(data.get("traceback") or "").strip().splitlines()
        return BoardError(f"{method} of '{self.folder}': {lines[-1].strip() if lines else message}")


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _command(folder: Path) -> list[str]:
    """The server's command; a launch script takes precedence, as it may choose another Python."""
    script, launcher = folder.absolute() / SERVER_FILE, folder.absolute() / LAUNCH_FILE
    if launcher.is_file():
        return [str(launcher), str(script)]
    if script.is_file():
        return [sys.executable, str(script)]
    raise DataError(
        f"'{folder}' has no Project API server: neither {SERVER_FILE} nor {LAUNCH_FILE}"
    )
