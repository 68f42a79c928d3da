"""The device's side: what it carries out, what it refuses, its compilers and its size."""

from __future__ import annotations

import random
import struct
import subprocess

import pytest
from fake_archive import fake_archive
from faulty_line import FaultyTransport
from hypothesis import given
from hypothesis import strategies as st
from session_device import CHUNK, HERE, RUNTIME_C, SOURCES, STRICT, Device, DeviceTransport
from session_device import inputs as arrays_of
from tools import require

from tvm_tiny import toolchain
from tvm_tiny.micro import Session, elf
from tvm_tiny.micro.session.firmware import build_session_firmware
from tvm_tiny.micro.session.frames import Frame, Receiver, cobs_decode, cobs_encode, encode
from tvm_tiny.micro.session.requests import Kind, Status


class Raw:
    """Frames to a device and back."""

    def __init__(self, library):
        self.device = Device(library)
        self.send(1, 0, Kind.HELLO, b"\1\1")

    def send(self, session, sequence, kind, data=b""):
        """Status and result of the answer."""
        self.device.feed(encode(Frame(session, sequence, kind, data)))
        (frame,) = Receiver().feed(self.device.take())
        assert (frame.session, frame.sequence, frame.kind) == (session, sequence, kind | 0x80)
        return struct.unpack_from("<I", frame.data)[0], frame.data[4:]

    def write(self, sequence, data, offset=0, tensor=0):
        return self.send(1, sequence, Kind.WRITE, struct.pack("<BI", tensor, offset) + data)[0]


@pytest.fixture
def raw(library):
    return Raw(library)


def test_a_request_that_is_repeated_is_carried_out_once(raw):
    assert raw.send(1, 1, Kind.BEGIN, b"\1\0")[0] == Status.OK
    for _ in range(3):
        assert raw.write(2, bytes(40)) == Status.OK
    assert raw.write(3, bytes(40), 40) == Status.OK  # the second row, not the fourth


def test_the_last_request_only_is_answered_again(raw):
    raw.send(1, 1, Kind.BEGIN, b"\1\0")
    raw.write(2, bytes(40))
    assert raw.send(1, 1, Kind.BEGIN, b"\1\0")[0] == Status.SEQUENCE
    assert raw.send(1, 2, Kind.RUN)[0] == Status.SEQUENCE
    assert raw.send(1, 4, Kind.RUN)[0] == Status.SEQUENCE
    assert raw.write(3, bytes(40), 40) == Status.OK


def test_requests_of_a_session_that_is_over_are_not_carried_out(raw):
    raw.send(1, 1, Kind.BEGIN, b"\1\0")
    raw.send(2, 0, Kind.HELLO, b"\1\1")
    assert raw.send(1, 1, Kind.BEGIN, b"\1\0")[0] == Status.UNKNOWN
    assert raw.send(2, 1, Kind.BEGIN, b"\1\0")[0] == Status.OK
    assert raw.write(2, bytes(40)) == Status.UNKNOWN


@pytest.mark.parametrize(
    ("kind", "data", "status"),
    [
        (Kind.RUN, b"", Status.PHASE),
        (Kind.READ, bytes(5), Status.PHASE),
        (Kind.MARKS, b"", Status.PHASE),
        (Kind.TIMES, bytes(4), Status.PHASE),
        (Kind.WRITE, bytes(9), Status.PHASE),
        (Kind.BEGIN, b"\3\0", Status.ARGUMENT),
        (Kind.BEGIN, b"\0", Status.ARGUMENT),
        (Kind.DESCRIBE, b"\3\0\0\0\0", Status.ARGUMENT),
        (Kind.DESCRIBE, b"\0\xff\xff\xff\xff", Status.ARGUMENT),
        (Kind.HELLO, b"\1\1", Status.SEQUENCE),
        (77, b"", Status.KIND),
    ],
)
def test_what_makes_no_sense_is_refused(raw, kind, data, status):
    assert raw.send(1, 1, kind, data)[0] == status


@pytest.mark.parametrize(("offset", "tensor", "count"), [(1, 0, 8), (0, 1, 8), (0, 0, 401)])
def test_bytes_that_do_not_belong_where_they_are_sent_are_refused(raw, offset, tensor, count):
    raw.send(1, 1, Kind.BEGIN, b"\1\0")
    for sequence in range(2, 2 + count // CHUNK):
        assert raw.write(sequence, bytes(CHUNK), (sequence - 2) * CHUNK) == Status.OK
    at = offset + count // CHUNK * CHUNK
    status = raw.write(2 + count // CHUNK, bytes(count % CHUNK), at, tensor)
    assert status == Status.ARGUMENT


def test_an_inference_without_all_its_inputs_does_not_run(raw):
    raw.send(1, 1, Kind.BEGIN, b"\0\0")
    raw.write(2, bytes(64))
    assert raw.send(1, 3, Kind.RUN)[0] == Status.PHASE


@given(st.binary(max_size=1200) | st.lists(st.sampled_from([0, 1, 255]), max_size=600).map(bytes))
def test_cobs_has_no_zero_and_can_be_undone(data):
    coded = cobs_encode(data)
    assert 0 not in coded
    assert cobs_decode(coded) == data
    assert len(coded) <= len(data) + len(data) // 254 + 1


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("flags", [("-O2",), ("-Os", "-DTVM_TINY_SESSION_CHUNK=1024")])
def test_no_warning_of_any_compiler(compiler, flags, tmp_path):
    require(compiler)
    for file in SOURCES:
        command = [compiler, *STRICT, *flags, f"-I{RUNTIME_C / 'include'}", "-c", str(file)]
        subprocess.run([*command, "-o", str(tmp_path / "x.o")], check=True)


MAIN = """
#include <stdint.h>
#include <stdio.h>
void device_reset(void);
void device_feed(const uint8_t* data, uint32_t bytes);
uint32_t device_take(uint8_t* data);
int main(void) {
  static uint8_t data[97];
  static uint8_t sent[65536];
  uint32_t total = 0;
  size_t bytes;
  device_reset();
  while ((bytes = fread(data, 1, sizeof(data), stdin)) > 0) {
    device_feed(data, (uint32_t)bytes);
    total += device_take(sent);
  }
  printf("%u\\n", (unsigned)total);
  return 0;
}
"""


class Recording(FaultyTransport):
    """Keeps what reaches the device."""

    log = b""

    def _deliver(self, way, data):
        if way == "to":
            self.log += data
        super()._deliver(way, data)


def test_no_bytes_make_it_read_or_write_where_it_must_not(library, tmp_path):
    require(toolchain.HOST_CC)
    (tmp_path / "main.c").write_text(MAIN)
    program = tmp_path / "program"
    command = [
        *("cc", *STRICT, "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
        *(f"-I{RUNTIME_C / 'include'}", f"-DTVM_TINY_SESSION_CHUNK={CHUNK}"),
        *(str(tmp_path / "main.c"), str(HERE / "session_device.c"), *map(str, SOURCES)),
        *("-o", str(program)),
    ]
    subprocess.run(command, check=True)
    line = Recording(Device(library), 3, 0.2)
    with Session(line, timeout_s=60, clock=line.clock) as session:
        for seed in range(20):
            session.run(arrays_of("sums", seed), "sums", measure=True)
            session.run(arrays_of("rows", seed), "rows")
    noise = random.Random(0).randbytes(200_000)
    for data in (line.log, noise, noise.replace(b"\0", b"\1")):
        done = subprocess.run([program], input=data, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        assert (int(done.stdout) > 0) == (data is line.log)


@pytest.mark.parametrize("board", ["mps2_an386", "microbit"])
def test_a_session_adds_at_most_6_kib_of_flash_and_1_kib_of_ram(board, tmp_path):
    require(toolchain.ARM_GCC)
    archive = fake_archive(tmp_path / "model")
    firmware = build_session_firmware([archive], board, tmp_path / "work")
    names = ("frame", "measure", "profile", "session", "session_main", "port", "tvm_tiny_models")
    objects = [
        path
        for path in firmware.path.parent.glob("*.o")
        if path.stem[4:] in names or path.stem[4:].startswith("uart_")
    ]
    assert len(objects) == len(names) + 1
    size = elf.sizes(objects)
    arena = archive.info.workspace_bytes
    print(f"{board}: {size.flash} bytes of flash, {size.ram - arena} of RAM")
    assert 0 < size.flash <= 6 * 1024
    assert 0 < size.ram - arena <= 1024


def test_an_options_header_may_declare_the_functions_of_posix(tmp_path):
    require(toolchain.HOST_CC)
    headers = ("fcntl.h", "sys/select.h", "sys/times.h", "unistd.h")
    (tmp_path / "posix.h").write_text("".join(f"#include <{name}>\n" for name in headers))
    flags = (f"-I{RUNTIME_C / 'include'}", f"-I{tmp_path}", '-DTVM_TINY_OPTIONS_FILE="posix.h"')
    compiler = str(toolchain.find_compiler(toolchain.HOST_CC))
    command = [compiler, *STRICT, "-std=gnu99", *flags, "-fsyntax-only", *map(str, SOURCES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_line_works_without_faults(library):
    line = DeviceTransport(Device(library))
    with Session(line, clock=line.clock) as session:
        session.run(arrays_of("sums", 0), "sums")
    assert session.counts.resent == session.counts.garbage == 0
