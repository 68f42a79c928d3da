"""A line to a device on which much of what the host sends is lost, repeated or damaged."""

from __future__ import annotations

import random

from tvm_tiny.micro.session import Transport

KINDS = ("drop", "repeat", "flip", "noise", "flood")


class NoisyTransport:
    """Wraps a line. rate: of frames that meet a fault; faults: how many have."""

    def __init__(self, line: Transport, seed: int, rate: float) -> None:
        self.line, self.random, self.rate, self.faults = line, random.Random(seed), rate, 0

    @property
    def name(self) -> str:
        return self.line.name

    def write(self, data: bytes, timeout_s: float) -> None:
        if self.random.random() < self.rate:
            self.faults += 1
            data = self._changed(data, self.random.choice(KINDS))
        if data:
            self.line.write(data, timeout_s)

    def _changed(self, data: bytes, kind: str) -> bytes:
        at = self.random.randrange(len(data))
        if kind == "drop":
            return b""
        if kind == "repeat":
            return data * 3
        if kind == "flip":
            return data[:at] + bytes([data[at] ^ 1 << self.random.randrange(8)]) + data[at + 1 :]
        if kind == "noise":
            return data[:at] + self.random.randbytes(50) + data[at:]
        return self.random.randbytes(1500) + data  # many times what the device can hold

    def read(self, size: int, timeout_s: float) -> bytes:
        return self.line.read(size, timeout_s)

    def close(self) -> None:
        self.line.close()
