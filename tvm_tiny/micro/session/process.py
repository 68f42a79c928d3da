"""Lines to processes of this machine: host programs and emulators."""

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

#: Seconds until a process that was asked to end is killed.
_END_S = 5.0


def start_process(command: Sequence[str], folder: Path | None = None) -> Transport:
    """Starts a program that talks on its standard input and output (a pipe each).

    Closing the line ends the program. Raises TransportError if it does not start.
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
    """Starts an emulator whose UART number `uart` is the line.

    This machine listens on a free port of 127.0.0.1 and the emulator connects to it, so no byte is
    lost and no port is guessed. UARTs with lower numbers are connected to nothing.

    command  the emulator's command, without any `-serial`
    folder   where it runs
    explain  gives the reason why it ended, from its exit status and its messages

    Raises TransportError if it does not start and connect within `timeout_s`.
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
    """A process. Its standard error (without pipes also its output) is kept for `explain`."""

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
        # The file has no name: it vanishes once it is closed here and in the child.
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
        # Called at the latest when this object or the Python process ends: no child is left behind.
        self.end = weakref.finalize(self, _end, self.process, self._said)

    def explain(self) -> str:
        """The reason why the process ended, with the first line of its messages."""
        try:
            status = self.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            return "closed the line but runs on"
        said = b""
        with contextlib.suppress(ValueError):  # the file is closed where `end` has been called
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
