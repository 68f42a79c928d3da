"""Lines of bytes to a device: TCP, pseudo-terminals, serial ports, and processes of this machine.

Every line here is binary and without flow control of its own. A line that is closed from the other
side is a TransportError; a line on which nothing comes is not.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable
from typing import Any, Protocol

from tvm_tiny.errors import DataError, ToolchainError, TransportError


class Transport(Protocol):
    """Bytes to and from a device."""

    @property
    def name(self) -> str:
        """What messages call the line, such as `tcp:127.0.0.1:4000`."""
        ...

    def write(self, data: bytes, timeout_s: float) -> None:
        """Sends all of `data`; TransportError if the line is closed or has not taken it in time."""
        ...

    def read(self, size: int, timeout_s: float) -> bytes:
        """1 to `size` bytes as soon as there are any; b"" if there are none for `timeout_s`.

        TransportError if the line is closed.
        """
        ...

    def close(self) -> None:
        """Closes the line and ends the process behind it, if there is one; may be called twice."""
        ...


class FileTransport:
    """A line that is one or two open files: a socket, a terminal, a pair of pipes.

    reader, writer  what to wait for (file descriptors, which this object closes with `close`)
    explain         why the other side may have closed the line
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
        """As given."""
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


def connect_tcp(host: str, port: int, timeout_s: float = 10.0) -> Transport:
    """A TCP connection to a device or an emulator that listens; TransportError if refused."""
    name = f"tcp:{host}:{port}"
    try:
        connection = socket.create_connection((host, port), timeout_s)
    except OSError as error:
        raise TransportError(f"{name}: cannot connect ({_reason(error)})") from None
    return socket_transport(connection, name)


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


def open_pty(path: str) -> Transport:
    """A terminal device (`/dev/pts/3`), set to pass all bytes; TransportError if it cannot be."""
    # There are none but on POSIX systems.
    import termios
    import tty

    name = f"pty:{path}"
    try:
        file = os.open(path, os.O_RDWR | os.O_NOCTTY)
    except OSError as error:
        raise TransportError(f"{name}: cannot be opened ({_reason(error)})") from None
    try:
        tty.setraw(file)
    except termios.error:
        os.close(file)
        raise TransportError(f"{name}: is no terminal device") from None
    return FileTransport(name, file, file)


class SerialTransport:
    """A serial port; `port` is a serial.Serial."""

    def __init__(self, name: str, port: Any) -> None:
        self._name, self._port = name, port

    @property
    def name(self) -> str:
        """As given."""
        return self._name

    def write(self, data: bytes, timeout_s: float) -> None:
        """Sends all of `data`."""
        self._port.write_timeout = timeout_s
        try:
            self._port.write(data)
        except OSError as error:  # SerialException is one, and SerialTimeoutException too
            raise TransportError(f"{self._name}: {error}") from None

    def read(self, size: int, timeout_s: float) -> bytes:
        """What has come, or one byte as soon as it does, or b"" after `timeout_s`."""
        self._port.timeout = timeout_s
        try:
            waiting = max(1, min(size, self._port.in_waiting))
            return bytes(self._port.read(waiting))
        except OSError as error:
            raise TransportError(f"{self._name}: {error}") from None

    def close(self) -> None:
        """Closes the port."""
        self._port.close()


def open_serial(device: str, baud: int = 115200) -> Transport:
    """A serial port (`/dev/ttyACM0`, `COM3`) through pyserial; TransportError, ToolchainError."""
    try:
        import serial
    except ImportError:
        raise ToolchainError(
            "serial ports need pyserial: install it with 'pip install tvm-tiny[serial]'"
        ) from None
    name = f"serial:{device}@{baud}"
    try:
        return SerialTransport(name, serial.Serial(device, baud, exclusive=True))
    except (OSError, ValueError) as error:
        raise TransportError(f"{name}: cannot be opened ({error})") from None


def open_transport(text: str) -> Transport:
    """The line that a text names: `tcp:HOST:PORT`, `pty:PATH` or `serial:DEVICE[@BAUD]`.

    DataError for any other text.
    """
    kind, _, rest = text.partition(":")
    if kind == "pty" and rest:
        return open_pty(rest)
    if kind == "tcp":
        host, _, port = rest.rpartition(":")
        if host and port.isdecimal() and int(port) < 1 << 16:
            return connect_tcp(host.strip("[]"), int(port))
    if kind == "serial" and rest:
        device, at, baud = rest.partition("@")
        if device and (baud.isdecimal() if at else True):
            return open_serial(device, int(baud) if at else 115200)
    raise DataError(
        f"{text!r} names no line: expected tcp:HOST:PORT, pty:PATH or serial:DEVICE[@BAUD]"
    )


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
