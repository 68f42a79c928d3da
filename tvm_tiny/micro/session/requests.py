"""Kinds of requests and contents of answers; runtime_c/session/session.c is the device's side."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from ..report import describe_code

#: Versions of the protocol that this host speaks.
VERSION_MIN = 1
VERSION_MAX = 1

#: The value in the answer to MARKS of a figure that the device cannot measure.
NO_FIGURE = 0xFFFFFFFF

HAS_STACK = 1
MEASURE_ARENA = 1
MEASURE_STACK = 2


class Kind(IntEnum):
    """Kind of a request."""

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
    """Status of an answer, in addition to the codes of tvm_tiny/errors.h."""

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
    """Number and meaning of a status, such as `0x0202 (...)`."""
    text = _TEXTS.get(Status(status)) if status in set(Status) else None
    return f"0x{status:04x} ({text})" if text else describe_code(status)


@dataclass(frozen=True)
class Device:
    """A device as its answer to HELLO describes it.

    version           version of the protocol that host and device share
    models            number of models
    chunk             most bytes of a tensor in one request
    ticks_per_second  frequency of the device's counter, 0 if it has none
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
        """The device from an answer's data; None if the data has another size."""
        return Device(*struct.unpack("<6I", data)) if len(data) == 24 else None
