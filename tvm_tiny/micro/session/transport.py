"""Lines to a device over TCP, pseudo-terminals and serial ports; processes are in process.py."""

from __future__ import annotations

import os
import socket
from typing import Any

from tvm_tiny.errors import DataError, ToolchainError, TransportError

from .line import FileTransport, Transport, socket_transport
from .process import start_process, start_qemu

__all__ = [
    "SerialTransport",
    "Transport",
    "connect_tcp",
    "open_pty",
    "open_serial",
    "open_transport",
    "start_process",
    "start_qemu",
]


def connect_tcp(host: str, port: int, timeout_s: float = 10.0) -> Transport:
    """Connects to a device or an emulator that listens; TransportError if refused."""
    name = f"tcp:{host}:{port}"
    try:
        connection = socket.create_connection((host, port), timeout_s)
    except OSError as error:
        raise TransportError(f"{name}: cannot connect ({_reason(error)})") from None
    return socket_transport(connection, name)


def open_pty(path: str) -> Transport:
    """Opens a terminal device (`/dev/pts/3`) in raw mode; TransportError if it cannot."""
    # These modules exist on POSIX systems only.
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
        """Name of the line in messages, as given to the constructor."""
        return self._name

    def write(self, data: bytes, timeout_s: float) -> None:
        """Sends all of `data`."""
        self._port.write_timeout = timeout_s
        try:
            self._port.write(data)
        except OSError as error:  # SerialException is one, and SerialTimeoutException too
            raise TransportError(f"{self._name}: {error}") from None

    def read(self, size: int, timeout_s: float) -> bytes:
        """The bytes that have arrived or the first to arrive, or b"" after `timeout_s`."""
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
    """Opens a serial port (`/dev/ttyACM0`, `COM3`).

    Raises ToolchainError without pyserial, TransportError if the port does not open.
    """
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
    """Opens the line `tcp:HOST:PORT`, `pty:PATH` or `serial:DEVICE[@BAUD]`.

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
