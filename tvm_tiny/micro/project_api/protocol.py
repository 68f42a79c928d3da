"""Names, error codes and encodings that client and server of the Project API share."""

from __future__ import annotations

import base64
import enum
from collections.abc import Mapping
from typing import Any

from ..projects.base import Option

PROTOCOL_VERSION = 1
JSONRPC = "2.0"

#: Messages by which clients recognise these errors, all of code SERVER_ERROR.
TRANSPORT_CLOSED = "TransportClosedError"
IO_TIMEOUT = "IoTimeoutError"
UNSUPPORTED_TVM = "UnsupportedTVMVersionError"


class ErrorCode(enum.IntEnum):
    """Error codes of JSON-RPC 2.0, and microTVM's code for all errors of a server."""

    PARSE_ERROR = -32700
    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    INVALID_PARAMS = -32602
    INTERNAL_ERROR = -32603
    SERVER_ERROR = -32000


class RpcError(Exception):
    """The `error` member of a reply. message: a line, or one of this module's error names."""

    def __init__(self, code: ErrorCode, message: str, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def entry(self) -> dict[str, Any]:
        """The error as the reply's JSON has it."""
        return {"code": int(self.code), "message": self.message, "data": self.data}


def encode(data: bytes) -> str:
    """Encodes transport data for JSON: base85 with the alphabet of RFC 1924."""
    return base64.b85encode(data).decode("ascii")


def decode(text: str) -> bytes:
    """The reverse of `encode`; ValueError for other text."""
    return base64.b85decode(text)


def option_entry(option: Option) -> dict[str, Any]:
    """An option as `server_info_query` lists it; empty fields are null."""
    return {
        "name": option.name,
        "choices": list(option.choices) or None,
        "default": option.default,
        "type": option.type,
        "required": list(option.required_in) or None,
        "optional": list(option.optional_in) or None,
        "help": option.help,
    }


def option_from_entry(entry: Mapping[str, Any]) -> Option:
    """The reverse of `option_entry`; KeyError or TypeError for a malformed entry."""
    return Option(
        name=str(entry["name"]),
        help=str(entry["help"]),
        type=str(entry["type"]),
        default=entry.get("default"),
        choices=tuple(map(str, entry.get("choices") or ())),
        required_in=tuple(map(str, entry.get("required") or ())),
        optional_in=tuple(map(str, entry.get("optional") or ())),
    )
