"""A line that loses, repeats, damages, delays and cuts frames, adds noise, resets the device."""

from __future__ import annotations

import random
from collections import Counter

from session_device import Device, DeviceTransport

#: How often a fault is of each kind.
WEIGHTS = {
    "drop": 20,
    "duplicate": 20,
    "flip": 20,
    "delay": 20,
    "cut": 15,
    "noise": 10,
    "reset": 2,
    "reset within": 1,
}


class FaultyTransport(DeviceTransport):
    """rate: of frames, in either direction, that meet a fault. faults: how many of each kind."""

    def __init__(self, device: Device, seed: int, rate: float) -> None:
        super().__init__(device)
        self.random = random.Random(seed)
        self.rate = rate
        self.faults: Counter[str] = Counter()
        self._late: dict[str, list[tuple[int, bytes]]] = {"to": [], "from": []}

    def write(self, data: bytes, timeout_s: float) -> None:
        self._pass("to", data)

    def read(self, size: int, timeout_s: float) -> bytes:
        answer = self.device.take()
        if answer:
            self._pass("from", answer)
        if not self.waiting:
            self.clock.now += timeout_s
        data, self.waiting = self.waiting[:size], self.waiting[size:]
        return data

    def _deliver(self, way: str, data: bytes) -> None:
        if way == "to":
            self.device.feed(data)
        else:
            self.waiting += data

    def _pass(self, way: str, data: bytes) -> None:
        fault = ""
        if self.random.random() < self.rate:
            fault = self.random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            self.faults[fault] += 1
        for piece in self._changed(way, data, fault):
            self._deliver(way, piece)
        late = [(frames - 1, held) for frames, held in self._late[way]]
        self._late[way] = [(frames, held) for frames, held in late if frames > 0]
        for frames, held in late:
            if frames <= 0:
                self._deliver(way, held)

    def _changed(self, way: str, data: bytes, fault: str) -> list[bytes]:
        at = self.random.randrange(len(data) + 1)
        if fault == "drop":
            return []
        if fault == "duplicate":
            return [data] * self.random.randint(2, 4)
        if fault == "flip":
            return [self._flipped(data)]
        if fault == "delay":
            self._late[way].append((self.random.randint(2, 40), data))
            return []
        if fault == "cut":
            return [self.random.choice([data[:at], data[at:]])]
        if fault == "noise":
            return [data[:at], self.random.randbytes(self.random.randint(1, 90)), data[at:]]
        if fault.startswith("reset"):
            return self._reset(data, at if fault == "reset within" else 0)
        return [data]

    def _reset(self, data: bytes, at: int) -> list[bytes]:
        self.device.feed(data[:at])
        self.device.reset()
        return [data[at:]]

    def _flipped(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self.random.randint(1, 4)):
            changed[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
        return bytes(changed)
