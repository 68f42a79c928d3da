"""Requests, and what answers say; runtime_c/session/session.c is the other side."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from ..report import describe_code

#: Versions of the protocol that this host speaks.
VERSION_MIN = 1
VERSION_MAX = 1

#: "Cannot be told" among the figures of MARKS.
NO_FIGURE = 0xFFFFFFFF

HAS_STACK = 1
MEASURE_ARENA = 1
MEASURE_STACK = 2


class Kind(IntEnum):
    """Of a request."""

    HELLO = 1
    DESCRIBE = 2
    BEGIN = 3
    WRITE = 4
    RUN = 5
    READ = 6
    TIMES = 7
    MARKS = 8
    COUNTS = 9
    RESET = 10


class Status(IntEnum):
    """Of an answer, beside the codes of tvm_tiny/errors.h."""

    OK = 0
    UNKNOWN = 0x0601
    SEQUENCE = 0x0602
    VERSION = 0x0603
    KIND = 0x0604
    ARGUMENT = 0x0605
    PHASE = 0x0606


_TEXTS = {
    Status.UNKNOWN: "it has no such session",
    Status.SEQUENCE: "requests are missing",
    Status.VERSION: "it speaks another version of the protocol",
    Status.KIND: "it does not know this request",
    Status.ARGUMENT: "it has no such model, tensor or offset",
    Status.PHASE: "the request is out of turn",
}


def describe_status(status: int) -> str:
    """What a status means, in words."""
    text = _TEXTS.get(Status(status)) if status in set(Status) else None
    return f"0x{status:04x} ({text})" if text else describe_code(status)


@dataclass(frozen=True)
class Device:
    """What HELLO is answered.

    version           of the protocol, agreed upon
    models            how many there are
    chunk             most bytes of a tensor in a request
    ticks_per_second  of the device's counter, 0 if it has none
    has               bits HAS_...
    catalog           CRC-32 of the models' descriptions
    """

    version: int
    models: int
    chunk: int
    ticks_per_second: int
    has: int
    catalog: int

    @staticmethod
    def read(data: bytes) -> Device | None:
        """From an answer's data; None if it is of another size."""
        return Device(*struct.unpack("<6I", data)) if len(data) == 24 else None
