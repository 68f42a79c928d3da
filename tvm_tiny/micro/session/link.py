"""Requests and their answers, over a line that loses, repeats, delays and damages bytes.

One request is under way at a time. The host sends it again until its answer comes; the device
carries it out once, however often it arrives, and answers each time. The host ignores an answer
that belongs to another request or to an earlier session.
"""

from __future__ import annotations

import secrets
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from tvm_tiny.errors import SessionError

from .frames import ANSWER, Frame, Receiver, encode
from .line import Transport
from .requests import VERSION_MAX, VERSION_MIN, Device, Kind, Status, describe_status

#: The host doubles its wait each time it sends a request again, up to this many seconds.
_LONGEST_WAIT_S = 4.0


class LostSessionError(Exception):
    """The device has lost the session: it was reset, or another host has opened one."""


@dataclass(frozen=True)
class Timing:
    """Seconds after which a request fails or is first sent again, measured by `clock`."""

    timeout_s: float
    retry_s: float
    clock: Callable[[], float] = time.monotonic


@dataclass
class LineCounts:
    """Counts of frames sent, frames sent again, and received bytes that were no frame."""

    sent: int = 0
    resent: int = 0
    garbage: int = 0


class Link:
    """Sends a session's requests. new_id: gives each session a number that is unlikely to recur."""

    def __init__(
        self,
        transport: Transport,
        timing: Timing,
        new_id: Callable[[], int] = lambda: secrets.randbits(32),
    ) -> None:
        self.counts = LineCounts()
        self._transport = transport
        self._timing = timing
        self._new_id = new_id
        self._receiver = Receiver()
        self._session = 0
        self._sequence = 0

    def hello(self) -> Device:
        """Opens a session; SessionError without an answer or with one of another version."""
        self._session = self._new_id() or 1
        self._sequence = -1
        answer = self._exchange(Kind.HELLO, bytes([VERSION_MIN, VERSION_MAX]), None)
        status, data = _split(answer)
        if status == Status.VERSION and len(data) == 8:
            least, most = struct.unpack("<2I", data)
            raise SessionError(
                f"the device on {self._transport.name} speaks versions {least} to {most} of the "
                f"session protocol, this tvm-tiny {VERSION_MIN} to {VERSION_MAX}: build and flash "
                "its firmware again with this tvm-tiny"
            )
        device = Device.read(data) if status == Status.OK else None
        if device is None or not VERSION_MIN <= device.version <= VERSION_MAX:
            raise SessionError(f"the device on {self._transport.name} answers hello strangely")
        return device

    def request(self, kind: Kind, data: bytes = b"", timeout_s: float | None = None) -> bytes:
        """Data of the answer to a request.

        Raises LostSessionError if the device has lost the session, SessionError for other failures.
        """
        status, result = _split(self._exchange(kind, data, timeout_s))
        if status in (Status.UNKNOWN, Status.SEQUENCE):
            raise LostSessionError
        if status != Status.OK:
            raise SessionError(
                f"the device on {self._transport.name} refuses '{kind.name.lower()}': "
                f"{describe_status(status)}"
            )
        return result

    def _exchange(self, kind: Kind, data: bytes, timeout_s: float | None) -> bytes:
        """Sends a request until it is answered; data of the answer."""
        timeout_s = self._timing.timeout_s if timeout_s is None else timeout_s
        clock, wait = self._timing.clock, self._timing.retry_s
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        request = encode(Frame(self._session, self._sequence, kind, data))
        start = again = clock()
        garbage, tries = self._receiver.garbage, 0
        while (now := clock()) < start + timeout_s:
            if now >= again:
                self._transport.write(request, start + timeout_s - now)
                self.counts.sent += 1
                self.counts.resent += tries > 0
                tries, again, wait = tries + 1, clock() + wait, min(2 * wait, _LONGEST_WAIT_S)
            until = max(min(again, start + timeout_s) - clock(), 0.0)
            answer = self._receive(kind, until)
            if answer is not None:
                return answer
        raise SessionError(self._silence(kind, timeout_s, self._receiver.garbage - garbage))

    def _receive(self, kind: Kind, timeout_s: float) -> bytes | None:
        """Data of the answer to the current request, or None if it has not arrived."""
        answer = None
        for frame in self._receiver.feed(self._transport.read(_READ_BYTES, timeout_s)):
            ours = (frame.session, frame.sequence) == (self._session, self._sequence)
            if ours and frame.kind == kind | ANSWER and len(frame.data) >= 4:
                answer = frame.data
        self.counts.garbage = self._receiver.garbage
        return answer

    def _silence(self, kind: Kind, timeout_s: float, garbage: int) -> str:
        name, request = self._transport.name, kind.name.lower()
        if garbage:
            return (
                f"no answer to '{request}' on {name} in {timeout_s:g} s, only {garbage} bytes that "
                "are no frames: something else talks on this line, or at another baud rate"
            )
        if self._sequence == 0:
            return (
                f"nobody answers on {name} for {timeout_s:g} s: is the device on, with a session "
                "firmware, and is this its line?"
            )
        return f"the device on {name} has not answered '{request}' for {timeout_s:g} s"


_READ_BYTES = 65536


def _split(data: bytes) -> tuple[int, bytes]:
    """Status and result of an answer."""
    return struct.unpack_from("<I", data)[0], data[4:]
