"""Lines of bytes to a device: TCP, pseudo-terminals, serial ports, and processes of this machine.

Every line here is binary and without flow control of its own. A line that is closed from the other
side is a TransportError; a line on which nothing comes is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class Transport(Protocol):
    """Bytes to and from a device. `name` is what messages call it."""

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


def connect_tcp(host: str, port: int, timeout_s: float = 10.0) -> Transport:
    """A TCP connection to a device or an emulator that listens; TransportError if refused."""
    raise NotImplementedError


def open_pty(path: str) -> Transport:
    """A terminal device (`/dev/pts/3`), set to pass all bytes; TransportError if it cannot be."""
    raise NotImplementedError


def open_serial(device: str, baud: int = 115200) -> Transport:
    """A serial port (`/dev/ttyACM0`, `COM3`) through pyserial; TransportError, ToolchainError."""
    raise NotImplementedError


def start_process(command: Sequence[str], folder: Path | None = None) -> Transport:
    """Starts a program that talks on its standard input and output (a pipe each)."""
    raise NotImplementedError


def start_qemu(command: Sequence[str], uart: int = 0, timeout_s: float = 30.0) -> Transport:
    """Starts an emulator whose UART number `uart` is the line; earlier ones go nowhere.

    command: without any `-serial`. This machine listens on a free port of 127.0.0.1 and the emulator
    connects to it, so no byte is lost and no port is guessed. TransportError if it does not start.
    """
    raise NotImplementedError


def open_transport(text: str) -> Transport:
    """The line that a text names: `tcp:HOST:PORT`, `pty:PATH` or `serial:DEVICE[@BAUD]`.

    DataError for any other text.
    """
    raise NotImplementedError
