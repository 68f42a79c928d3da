"""The host's side: results, figures, and one clear line for everything that goes wrong."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from session_device import Device, DeviceTransport, build_device, expected, inputs

from tvm_tiny.errors import DataError, SessionError, TransportError
from tvm_tiny.micro import Session
from tvm_tiny.micro.session.frames import ANSWER, Frame, decode, encode
from tvm_tiny.micro.session.requests import Kind, Status


class Scripted(DeviceTransport):
    """Answers what `answer` makes of each frame."""

    def __init__(self, answer):
        super().__init__(device=None)
        self._answer = answer

    def write(self, data, timeout_s):
        self.waiting += self._answer(decode(data.strip(b"\0")))

    def read(self, size, timeout_s):
        data, self.waiting = self.waiting, b""
        if not data:
            self.clock.now += timeout_s
        return data


@pytest.fixture
def line(library):
    return DeviceTransport(Device(library))


@pytest.fixture
def session(line):
    with Session(line, clock=line.clock) as opened:
        yield opened


def message(error) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_models_are_described_by_the_device(session):
    sums, rows, fails = session.models
    assert (sums.name, rows.name, fails.name) == ("sums", "rows", "fails")
    assert [(port.name, port.dtype, port.shape) for port in sums.inputs] == [
        ("a", "uint8", (7, 100)),
        ("b", "int32", (16,)),
    ]
    assert sums.arena_bytes == 764
    assert session.device.chunk == 64


@pytest.mark.parametrize("model", ["sums", "rows"])
def test_an_inference_takes_all_inputs_and_gives_the_outputs(session, model):
    for seed in range(3):
        arrays = inputs(model, seed)
        np.testing.assert_array_equal(session.run(arrays, model)[0], expected(model, arrays))


def test_inputs_may_be_named(session):
    a, b = inputs("sums", 0)
    np.testing.assert_array_equal(
        session.run({"b": b, "a": a}, "sums")[0], expected("sums", [a, b])
    )


def test_figures_are_those_of_the_last_inference(session):
    session.run(inputs("sums", 0), "sums", measure=True)
    assert session.seconds == 1.0  # 1000 ticks of a millisecond
    assert (session.marks.stack, session.marks.arena) == (None, 764)
    session.run(inputs("rows", 0), "rows", measure=True)
    assert session.seconds == 0.1  # 10 rows
    assert session.marks.arena == 80  # two rows
    assert session.timing() == ()


def test_figures_of_nothing_are_an_error(session):
    with pytest.raises(SessionError) as error:
        _ = session.seconds
    assert "nothing has run" in message(error)
    session.run(inputs("rows", 0), "rows")
    with pytest.raises(SessionError) as error:
        _ = session.marks
    assert "measure=True" in message(error)


def test_a_reset_during_the_inference_is_recovered_from_and_after_it_reported(session, line):
    arrays = inputs("sums", 1)
    line.device.reset()
    np.testing.assert_array_equal(session.run(arrays, "sums")[0], expected("sums", arrays))
    line.device.reset()
    with pytest.raises(SessionError) as error:
        _ = session.seconds
    assert "was reset since the inference" in message(error)


def test_reset_starts_the_device_anew(session):
    session.run(inputs("sums", 0), "sums")
    session.reset()
    arrays = inputs("sums", 2)
    np.testing.assert_array_equal(session.run(arrays, "sums")[0], expected("sums", arrays))


def test_two_hosts_take_the_device_from_each_other_without_a_wrong_result(library):
    line = DeviceTransport(Device(library))
    first, second = (Session(line, clock=line.clock) for _ in range(2))
    for seed in range(3):
        for session in (first, second):
            arrays = inputs("sums", seed)
            np.testing.assert_array_equal(session.run(arrays, "sums")[0], expected("sums", arrays))


def test_what_a_model_reports_is_one_line_with_its_meaning(session):
    with pytest.raises(SessionError) as error:
        session.run([np.zeros(700, np.uint8), np.zeros(64, np.uint8)], "fails")
    assert "refuses 'run': 0x0401 (KERNEL: a kernel reported a failure)" in message(error)


@pytest.mark.parametrize(
    ("arrays", "model", "text"),
    [
        ([], "sum", "no model 'sum': did you mean 'sums'?"),
        ([], None, "has 3 models: name one of sums, rows, fails"),
        ([], "sums", "has 2 inputs; given: 0"),
        ({"c": np.zeros(1)}, "sums", "has inputs a, b; given: c"),
        ([np.zeros((7, 100)), np.zeros(16, np.int32)], "sums", "is uint8 [7, 100]; given: float64"),
        ([np.zeros((1, 10, 41), np.int8)], "rows", "is int8 [1, 10, 40]; given: int8 [1, 10, 41]"),
    ],
)
def test_inputs_that_do_not_fit(session, arrays, model, text):
    with pytest.raises(DataError) as error:
        session.run(arrays, model)
    assert text in message(error)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"", "nobody answers on device for 10 s"),
        (b"*** Booting Zephyr OS ***\r\n" * 3, "bytes that are no frames: something else talks"),
        (b"\0" + bytes(range(1, 200)) + b"\0", "bytes that are no frames"),
    ],
)
def test_silence_and_garbage_are_told_apart(answer, text):
    line = Scripted(lambda frame: answer)
    with pytest.raises(SessionError) as error:
        Session(line, clock=line.clock)
    assert text in message(error)
    assert line.closed


def test_a_device_that_only_talks_keeps_nobody_waiting_for_ever(library):
    line = DeviceTransport(Device(library))
    line.write = lambda data, timeout_s: None
    line.read = lambda size, timeout_s: b"\x07" * size
    line.clock.__class__ = type("Ticking", (type(line.clock),), {"__call__": _tick})
    with pytest.raises(SessionError) as error:
        Session(line, clock=line.clock, timeout_s=1)
    assert "are no frames" in message(error)


def _tick(clock):
    clock.now += 0.01
    return clock.now


def test_another_version_of_the_protocol_is_one_line():
    def answer(frame):
        data = struct.pack("<3I", Status.VERSION, 2, 3)
        return encode(Frame(frame.session, frame.sequence, frame.kind | ANSWER, data))

    line = Scripted(answer)
    with pytest.raises(SessionError) as error:
        Session(line, clock=line.clock)
    assert "speaks versions 2 to 3 of the session protocol, this tvm-tiny 1 to 1" in message(error)


def test_the_device_refuses_a_host_of_another_version(line):
    line.write(encode(Frame(5, 0, Kind.HELLO, bytes([2, 9]))), 0)
    frame = decode(line.read(1000, 0).strip(b"\0"))
    assert struct.unpack("<3I", frame.data) == (Status.VERSION, 1, 1)
    line.write(encode(Frame(5, 0, Kind.HELLO, bytes([1, 9]))), 0)
    frame = decode(line.read(1000, 0).strip(b"\0"))
    assert struct.unpack_from("<2I", frame.data) == (Status.OK, 1)


def test_another_version_of_the_library_format_is_one_line(tmp_path):
    line = DeviceTransport(Device(build_device(tmp_path, '-DMLF="6"')))
    with pytest.raises(SessionError) as error:
        Session(line, clock=line.clock)
    assert (
        "model 'sums' on the device is of version 6 of Model Library Format, this tvm-tiny expects "
        "7: compile the model again and flash it" in message(error)
    )


def test_other_models_after_a_reset_are_noticed(session, line, tmp_path):
    line.device = Device(build_device(tmp_path, '-DMLF="6"'))
    with pytest.raises(SessionError) as error:
        session.run(inputs("sums", 0), "sums")
    assert "came back with another firmware or other models" in message(error)


def test_a_closed_line_is_one_line(session, line):
    def closed(data, timeout_s):
        raise TransportError("device: closed from the other side")

    line.write = closed
    with pytest.raises(TransportError) as error:
        session.run(inputs("sums", 0), "sums")
    assert message(error) == "device: closed from the other side"
