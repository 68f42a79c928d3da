"""Lines: the same bytes over TCP, terminals, serial ports, pipes; errors are one line each."""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
import time

import pytest
from tools import require_package

from tvm_tiny.errors import DataError, ToolchainError, TransportError
from tvm_tiny.micro.session import (
    connect_tcp,
    open_pty,
    open_serial,
    open_transport,
    start_process,
    start_qemu,
)

BYTES = bytes(range(256)) * 40
CAT = [sys.executable, "-uc", "import os\nwhile d := os.read(0, 999): os.write(1, d)"]


def echo_terminal():
    """A terminal whose other side sends everything back; its name, and what closes it."""
    ours, theirs = os.openpty()
    name = os.ttyname(theirs)
    stop = threading.Event()

    def echo():
        while not stop.is_set():
            if select.select([ours], [], [], 0.02)[0]:
                os.write(ours, os.read(ours, 500))

    thread = threading.Thread(target=echo)
    thread.start()

    def close():
        stop.set()
        thread.join()
        os.close(ours)
        os.close(theirs)

    return name, close


@pytest.fixture
def terminal():
    name, close = echo_terminal()
    yield name
    close()


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def exchanged(transport) -> bytes:
    """What comes back of BYTES."""
    back = b""
    end = time.monotonic() + 20
    for at in range(0, len(BYTES), 512):
        transport.write(BYTES[at : at + 512], 5)
        while len(back) < at + 512 and time.monotonic() < end:
            back += transport.read(4096, 0.2)
    return back


def message(error) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_terminal_passes_all_bytes(terminal):
    line = open_pty(terminal)
    assert exchanged(line) == BYTES
    line.close()
    line.close()
    with pytest.raises(TransportError, match="has been closed"):
        line.read(1, 0)


def test_a_serial_port_passes_all_bytes(terminal):
    require_package("serial")
    line = open_serial(terminal, 115200)
    assert line.name == f"serial:{terminal}@115200"
    assert exchanged(line) == BYTES
    assert line.read(1, 0.01) == b""
    line.close()


def test_a_process_passes_all_bytes_and_ends_with_the_line():
    line = start_process(CAT)
    assert exchanged(line) == BYTES
    assert line.read(10, 0.01) == b""
    line.close()


def test_tcp_passes_all_bytes(listener):
    line = connect_tcp(*listener.getsockname())
    other, _ = listener.accept()
    other.sendall(BYTES)
    back = b""
    while len(back) < len(BYTES):
        back += line.read(1000, 5)
    assert back == BYTES
    other.close()
    with pytest.raises(TransportError) as error:
        line.read(1, 5)
    assert "closed from the other side" in message(error)
    line.close()


def test_a_line_that_takes_nothing_is_an_error(listener):
    line = connect_tcp(*listener.getsockname())
    with pytest.raises(TransportError) as error:
        line.write(bytes(50_000_000), 0.1)
    assert "bytes not taken in 0.1 s" in message(error)
    line.close()


def test_a_process_that_ends_says_why():
    line = start_process([sys.executable, "-c", "import sys; sys.exit('no such device')"])
    with pytest.raises(TransportError) as error:
        line.read(1, 20)
    assert "the process has ended, exit status 1: no such device" in message(error)
    line.close()


def test_an_emulator_that_does_not_start_says_why():
    with pytest.raises(TransportError) as error:
        start_qemu([sys.executable, "-c", "import sys; sys.exit('unknown machine')"])
    assert "exit status 1: unknown machine" in message(error)


@pytest.mark.parametrize(
    ("text", "kind", "part"),
    [
        ("tcp:127.0.0.1:1", TransportError, "cannot connect"),
        ("pty:/dev/null", TransportError, "is no terminal device"),
        ("pty:/nowhere", TransportError, "cannot be opened"),
        ("serial:/nowhere@9600", TransportError, "cannot be opened"),
        ("tcp:host", DataError, "expected tcp:HOST:PORT, pty:PATH or serial:DEVICE[@BAUD]"),
        ("serial:@9600", DataError, "names no line"),
        ("serial:/dev/ttyS0@fast", DataError, "names no line"),
        ("usb", DataError, "names no line"),
    ],
)
def test_lines_that_cannot_be_opened(text, kind, part):
    if text.startswith("serial:/nowhere"):
        require_package("serial")
    with pytest.raises(kind) as error:
        open_transport(text)
    assert part in message(error)


def test_a_text_names_a_line(terminal):
    line = open_transport(f"pty:{terminal}")
    assert line.name == f"pty:{terminal}"
    line.close()


def test_without_pyserial_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(ToolchainError) as error:
        open_serial("/dev/ttyACM0")
    assert "pip install tvm-tiny[serial]" in message(error)


def test_a_program_that_does_not_exist():
    with pytest.raises(TransportError) as error:
        start_process(["/nowhere/firmware"])
    assert "does not start (No such file or directory)" in message(error)
