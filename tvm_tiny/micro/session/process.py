"""Lines to processes of this machine: firmware of the host, and emulators."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from tvm_tiny.errors import TransportError

from .line import FileTransport, Transport, socket_transport

#: How long a process may take to end when it is told to.
_END_S = 5.0


def start_process(command: Sequence[str], folder: Path | None = None) -> Transport:
    """Starts a program that talks on its standard input and output (a pipe each).

    TransportError if it does not start. It is ended when the line is closed.
    """
    child = _Child(command, folder, None, pipes=True)
    stdin, stdout = child.process.stdin, child.process.stdout
    assert stdin is not None
    assert stdout is not None
    reader, writer = os.dup(stdout.fileno()), os.dup(stdin.fileno())
    stdin.close()
    stdout.close()
    return FileTransport(child.name, reader, writer, child.explain, child.end)


def start_qemu(
    command: Sequence[str],
    uart: int = 0,
    timeout_s: float = 30.0,
    folder: Path | None = None,
    explain: Callable[[int, str], str] | None = None,
) -> Transport:
    """Starts an emulator whose UART number `uart` is the line; earlier ones go nowhere.

    command: without any `-serial`. This machine listens on a free port of 127.0.0.1 and the
    emulator connects to it, so no byte is lost and no port is guessed. folder: where it runs.
    explain: why it ended, from its exit status and what it said; the status itself if absent.
    TransportError if it does not start and connect within `timeout_s`.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        address = f"host=127.0.0.1,port={port},server=off,nodelay=on"
        others = [word for _ in range(uart) for word in ("-serial", "null")]
        line = ["-chardev", f"socket,id=tvm_tiny,{address}", *others, "-serial", "chardev:tvm_tiny"]
        child = _Child([*command, *line], folder, explain, pipes=False)
        try:
            connection = _accept(listener, child, timeout_s)
        except BaseException:
            child.end()
            raise
    return socket_transport(connection, child.name, child.explain, child.end)


def _accept(listener: socket.socket, child: _Child, timeout_s: float) -> socket.socket:
    end = time.monotonic() + timeout_s
    while not select.select([listener], [], [], 0.05)[0]:
        if child.process.poll() is not None:
            raise TransportError(f"{child.name}: {child.explain()}")
        if time.monotonic() > end:
            raise TransportError(f"{child.name}: has not connected its UART in {timeout_s:g} s")
    return listener.accept()[0]


class _Child:
    """A process. What it writes to its standard error (and output) is kept for `explain`."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path | None,
        explain: Callable[[int, str], str] | None,
        *,
        pipes: bool,
    ) -> None:
        self._explain = explain or _ended
        self.name = Path(command[0]).name
        # The child has it; closed here, and gone when the child ends.
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        pipe = subprocess.PIPE if pipes else None
        try:
            self.process = subprocess.Popen(
                list(command),
                cwd=folder,
                stdin=pipe or subprocess.DEVNULL,
                stdout=pipe or self._said,
                stderr=self._said,
            )
        except OSError as error:
            self._said.close()
            raise TransportError(
                f"{command[0]}: does not start ({error.strerror or error})"
            ) from None
        # Also when the program ends, or forgets the line: no process is left behind.
        self.end = weakref.finalize(self, _end, self.process, self._said)

    def explain(self) -> str:
        """How it ended, and the first line it said."""
        try:
            status = self.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            return "closed the line but runs on"
        said = b""
        with contextlib.suppress(ValueError):  # it is closed where `end` has been called
            self._said.seek(0)
            said = self._said.read(4096)
        return self._explain(status, said.decode("utf-8", "replace"))


def _end(process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
    """Ends a process, by force if need be."""
    process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    said.close()


def _ended(status: int, said: str) -> str:
    ended = f"exit status {status}"
    if status < 0:
        ended = f"killed by {signal.Signals(-status).name}"
    lines = said.strip().splitlines()
    return f"the process has ended, {ended}{f': {lines[0]}' if lines else ''}"
