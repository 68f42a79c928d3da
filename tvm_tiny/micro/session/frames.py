"""Frames on the line: COBS between zero bytes, with a CRC-32 at the end (docs/session.md)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_HEADER = struct.Struct("<IIB")
_CHECKSUM = struct.Struct("<I")

#: More bytes than any frame has: a longer run of bytes without a zero is no frame.
_MOST_BYTES = 4096

#: The kind of an answer is the kind of its request plus this bit.
ANSWER = 0x80


@dataclass(frozen=True)
class Frame:
    """A request or an answer. kind: a `Kind` of requests.py, or that plus `ANSWER`."""

    session: int
    sequence: int
    kind: int
    data: bytes = b""


def encode(frame: Frame) -> bytes:
    """The frame as it goes over the line, with a zero byte on either side."""
    plain = _HEADER.pack(frame.session, frame.sequence, frame.kind) + frame.data
    plain += _CHECKSUM.pack(zlib.crc32(plain))
    return b"\0" + cobs_encode(plain) + b"\0"


def cobs_encode(data: bytes) -> bytes:
    """Consistent Overhead Byte Stuffing (Cheshire and Baker, 1999): `data` without zero bytes."""
    coded = bytearray()
    for index, piece in enumerate(pieces := data.split(b"\0")):
        while len(piece) >= 254:
            coded += b"\xff" + piece[:254]
            piece = piece[254:]
            if not piece and index == len(pieces) - 1:
                return bytes(coded)
        coded += bytes([len(piece) + 1]) + piece
    return bytes(coded)


def cobs_decode(coded: bytes) -> bytes | None:
    """The reverse of `cobs_encode`; None for bytes that are no encoding."""
    data = bytearray()
    at = 0
    while at < len(coded):
        size = coded[at]
        block = coded[at + 1 : at + size]
        at += size
        if size == 0 or len(block) != size - 1 or 0 in block:
            return None
        data += block
        if size != 255 and at < len(coded):
            data.append(0)
    return bytes(data)


def decode(coded: bytes) -> Frame | None:
    """The frame between two zero bytes; None if it is damaged."""
    plain = cobs_decode(coded)
    if plain is None or len(plain) < _HEADER.size + _CHECKSUM.size:
        return None
    (checksum,) = _CHECKSUM.unpack(plain[-_CHECKSUM.size :])
    if zlib.crc32(plain[: -_CHECKSUM.size]) != checksum:
        return None
    session, sequence, kind = _HEADER.unpack_from(plain)
    return Frame(session, sequence, kind, plain[_HEADER.size : -_CHECKSUM.size])


class Receiver:
    """Finds frames among the bytes of a line."""

    def __init__(self) -> None:
        self._garbage = 0
        self._waiting = bytearray()

    @property
    def garbage(self) -> int:
        """Bytes so far that were no frame, or are not a whole frame yet."""
        return self._garbage + len(self._waiting)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The whole frames that `data` completes."""
        self._waiting += data
        *pieces, rest = self._waiting.split(b"\0")
        if len(rest) > _MOST_BYTES:
            self._garbage += len(rest)
            rest = bytearray()
        self._waiting = rest
        for piece in pieces:
            frame = decode(bytes(piece)) if piece else None
            if frame is not None:
                yield frame
            else:
                self._garbage += len(piece)
