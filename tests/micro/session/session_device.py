"""The device's side of a session in this process, and what its models compute."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
from repository import ROOT

from tvm_tiny import toolchain

HERE = Path(__file__).resolve().parent
RUNTIME_C = ROOT / "runtime_c"
SOURCES = sorted((RUNTIME_C / "session").glob("*.c"))
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wshadow")
#: Small, so that an inference takes many frames.
CHUNK = 64


def build_device(folder: Path, *flags: str) -> Path:
    """session_device.c as a shared library."""
    library = folder / "device.so"
    command = [
        *(str(toolchain.find_compiler(toolchain.HOST_CC)), *STRICT, "-O1", "-shared", "-fPIC"),
        *(f"-I{RUNTIME_C / 'include'}", f"-DTVM_TINY_SESSION_CHUNK={CHUNK}", *flags),
        *(*map(str, [HERE / "session_device.c", *SOURCES]), "-o", str(library)),
    ]
    subprocess.run(command, check=True)
    return library


class Device:
    """The library. Its state is global: one at a time."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        self._buffer = ctypes.create_string_buffer(65536)
        self.reset()
        self.take()

    def reset(self) -> None:
        self._library.device_reset()

    def feed(self, data: bytes) -> None:
        self._library.device_feed(data, len(data))

    def take(self) -> bytes:
        count = self._library.device_take(self._buffer)
        return self._buffer.raw[:count]


class Clock:
    """Seconds that pass only where somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1e-6
        return self.now


class DeviceTransport:
    """A line without faults to a device in this process."""

    name = "device"

    def __init__(self, device: Device) -> None:
        self.device = device
        self.clock = Clock()
        self.waiting = b""
        self.closed = False

    def write(self, data: bytes, timeout_s: float) -> None:
        self.device.feed(data)

    def read(self, size: int, timeout_s: float) -> bytes:
        self.waiting += self.device.take()
        data, self.waiting = self.waiting[:size], self.waiting[size:]
        if not data:
            self.clock.now += timeout_s
        return data

    def close(self) -> None:
        self.closed = True


def inputs(model: str, seed: int) -> list[np.ndarray]:
    """Random inputs; the same seed always gives the same."""
    random = np.random.default_rng(seed)
    if model == "rows":
        return [random.integers(-128, 128, (1, 10, 40)).astype(np.int8)]
    first = random.integers(0, 256, (7, 100)).astype(np.uint8)
    return [first, random.integers(-(2**31), 2**31, 16).astype(np.int32)]


def expected(model: str, arrays: list[np.ndarray]) -> np.ndarray:
    """What the C computes."""
    state = 2166136261
    for byte in b"".join(array.tobytes() for array in arrays):
        state = (state ^ byte) * 16777619 & 0xFFFFFFFF
    output = []
    for _ in range(8 if model == "rows" else 300):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        output.append(state >> 24)
    array = np.array(output, np.uint8)
    return array.view(np.int8) if model == "rows" else array
