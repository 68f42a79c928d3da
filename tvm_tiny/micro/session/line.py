"""The protocol of lines to a device, and lines that are files of this machine.

Every line is binary and without flow control of its own. Reading or writing a line that the other
side has closed raises TransportError; silence on a line does not.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable
from typing import Protocol

from tvm_tiny.errors import TransportError


class Transport(Protocol):
    """Bytes to and from a device."""

    @property
    def name(self) -> str:
        """Name of the line in messages, such as `tcp:127.0.0.1:4000`."""
        ...

    def write(self, data: bytes, timeout_s: float) -> None:
        """Sends all of `data`.

        Raises TransportError if the line is closed or has not taken the data after `timeout_s`.
        """
        ...

    def read(self, size: int, timeout_s: float) -> bytes:
        """The 1 to `size` bytes that arrive first, or b"" after `timeout_s`.

        Raises TransportError if the line is closed.
        """
        ...

    def close(self) -> None:
        """Closes the line and ends a process behind it; a second call does nothing."""
        ...


class FileTransport:
    """A line over one or two open files: a socket, a terminal, two pipes.

    reader, writer  file descriptors, which `close` closes
    explain         gives the reason why the other side has closed the line
    end             called once, before the files are closed
    """

    def __init__(
        self,
        name: str,
        reader: int,
        writer: int,
        explain: Callable[[], str] = lambda: "closed from the other side",
        end: Callable[[], None] = lambda: None,
    ) -> None:
        self._name, self._explain, self._end = name, explain, end
        self._reader, self._writer = reader, writer
        self._open = True
        for file in {reader, writer}:
            os.set_blocking(file, False)

    @property
    def name(self) -> str:
        """Name of the line in messages, as given to the constructor."""
        return self._name

    def write(self, data: bytes, timeout_s: float) -> None:
        """Sends all of `data`."""
        end = time.monotonic() + timeout_s
        left = memoryview(data)
        while left:
            self._check()
            rest = max(end - time.monotonic(), 0.0)
            if not select.select([], [self._writer], [], rest)[1]:
                raise TransportError(
                    f"{self._name}: {len(left)} bytes not taken in {timeout_s:g} s"
                )
            try:
                left = left[os.write(self._writer, left) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._closed() from error

    def read(self, size: int, timeout_s: float) -> bytes:
        """1 to `size` bytes, or b"" after `timeout_s`."""
        self._check()
        if not select.select([self._reader], [], [], max(timeout_s, 0.0))[0]:
            return b""
        try:
            data = os.read(self._reader, size)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._closed() from error
        if not data:
            raise self._closed()
        return data

    def close(self) -> None:
        """Closes the line."""
        if self._open:
            self._open = False
            self._end()
            for file in {self._reader, self._writer}:
                os.close(file)

    def _check(self) -> None:
        if not self._open:
            raise TransportError(f"{self._name}: the line has been closed")

    def _closed(self) -> TransportError:
        return TransportError(f"{self._name}: {self._explain()}")


def socket_transport(
    connection: socket.socket,
    name: str,
    explain: Callable[[], str] = lambda: "closed from the other side",
    end: Callable[[], None] = lambda: None,
) -> Transport:
    """A connected stream socket as a line, which then owns it."""
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    file = connection.detach()
    return FileTransport(name, file, file, explain, end)
