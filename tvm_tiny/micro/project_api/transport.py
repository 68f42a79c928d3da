"""The transport of a Project API server, for sessions of this process."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tvm_tiny.errors import BoardError

from .client import ProjectClient, RemoteIoTimeoutError
from .protocol import decode, encode

# Time for a server's reply in addition to the time-out of the read or write itself.
_GRACE_S = 30.0


class ClientTransport:
    """A line over a server's transport. Closing it ends the server."""

    def __init__(self, client: ProjectClient, options: Mapping[str, Any]) -> None:
        self._client = client
        self.name = f"server of '{client.folder}'"
        client.call("open_transport", options=dict(options))

    def write(self, data: bytes, timeout_s: float) -> None:
        """Writes all of `data`; BoardError after `timeout_s` seconds."""
        self._client.call(
            "write_transport", timeout_s + _GRACE_S, data=encode(data), timeout_sec=timeout_s
        )

    def read(self, size: int, timeout_s: float) -> bytes:
        """Reads 1 to `size` bytes as soon as any arrive; b"" after `timeout_s` seconds."""
        try:
            reply = self._client.call(
                "read_transport", timeout_s + _GRACE_S, n=size, timeout_sec=timeout_s
            )
            return decode(reply["data"])
        except RemoteIoTimeoutError:
            return b""
        except (KeyError, TypeError, ValueError) as error:
            raise BoardError(f"read_transport: no valid data ({error!r})") from None

    def close(self) -> None:
        """Closes the transport, then ends the server."""
        with suppress(BoardError):
            self._client.call("close_transport", _GRACE_S)
        self._client.close()
