"""A server of the Project API: one JSON object a line in, one out."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, BinaryIO

from tvm_tiny.errors import TransportError, TvmTinyError

from .handler import Handler
from .protocol import JSONRPC, TRANSPORT_CLOSED, ErrorCode, RpcError

DEBUG = "TVM_TINY_DEBUG"

_NUMBER = (int, float, NoneType)

#: Parameters of each method, and their types in JSON.
_METHODS: dict[str, dict[str, tuple[type, ...]]] = {
    "server_info_query": {"tvm_version": (str,)},
    "generate_project": {
        "model_library_format_path": (str,),
        "standalone_crt_dir": (str, NoneType),
        "project_dir": (str,),
        "options": (dict,),
    },
    "build": {"options": (dict,)},
    "flash": {"options": (dict,)},
    "open_transport": {"options": (dict,)},
    "close_transport": {},
    "read_transport": {"n": (int,), "timeout_sec": _NUMBER},
    "write_transport": {"data": (str,), "timeout_sec": _NUMBER},
}

# Clients before TVM 0.8 did not send it.
_MAY_LACK = {"tvm_version"}

_METHOD_NAME = re.compile(r"[a-zA-Z0-9_]+")


class Server:
    """Serves one client on a pair of streams, one request at a time, in order."""

    def __init__(self, requests: BinaryIO, replies: BinaryIO, handler: Handler) -> None:
        self._requests = requests
        self._replies = replies
        self._handler = handler

    def serve(self) -> None:
        """Answers requests until the client closes its end, then closes the transport."""
        try:
            for line in iter(self._requests.readline, b""):
                self._answer(line)
        finally:
            self._handler.close_transport()

    def _answer(self, line: bytes) -> None:
        """Answers one request. Any error becomes a reply, so the next line is a new request."""
        request: Any = None
        try:
            request = _parse(line)
            _check_request(request)
            result = self._call(request)
        except RpcError as error:
            self._reply(request, error=error.entry())
        except TvmTinyError as error:
            self._reply(request, error=_described(error, request["method"]).entry())
        except Exception as error:
            self._reply(request, error=_unexpected(error).entry())
        else:
            self._reply(request, result=result)

    def _call(self, request: dict[str, Any]) -> Any:
        method, parameters = request["method"], request["params"]
        if method not in _METHODS:
            raise RpcError(ErrorCode.METHOD_NOT_FOUND, f"{method}: no such method")
        _check_parameters(method, parameters)
        function: Callable[..., Any] = getattr(self._handler, method)
        return function(**parameters)

    def _reply(self, request: Any, **outcome: Any) -> None:
        """Writes a reply; a notification, which has no id, gets none."""
        valid = isinstance(request, dict)
        if valid and "id" not in request:
            return
        number = request["id"] if valid and _is_id(request["id"]) else None
        text = json.dumps({"jsonrpc": JSONRPC, "id": number, **outcome})
        self._replies.write(text.encode() + b"\n")
        self._replies.flush()


def _parse(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except ValueError as error:
        raise RpcError(ErrorCode.PARSE_ERROR, f"request is not JSON: {error}") from None
    if not isinstance(request, dict):
        raise _invalid(f"want an object, got {type(request).__name__}")
    return request


def _check_request(request: dict[str, Any]) -> None:
    """Raises RpcError where a member is missing or of another type."""
    if request.get("jsonrpc") != JSONRPC:
        raise _invalid(f"jsonrpc: want '{JSONRPC}', got {request.get('jsonrpc')!r}")
    method = request.get("method")
    if not isinstance(method, str) or not _METHOD_NAME.fullmatch(method):
        raise _invalid(f"method: want a name, got {method!r}")
    if not isinstance(request.get("params"), dict):
        raise _invalid(f"params: want an object, got {request.get('params')!r}")
    if not _is_id(request.get("id")):
        raise _invalid(f"id: want text, a number or null, got {request['id']!r}")


def _is_id(value: object) -> bool:
    return isinstance(value, (str, int, NoneType)) and not isinstance(value, bool)


def _invalid(message: str) -> RpcError:
    return RpcError(ErrorCode.INVALID_REQUEST, f"request: {message}")


def _check_parameters(method: str, given: dict[str, Any]) -> None:
    expected = _METHODS[method]
    for name, types in expected.items():
        if name not in given:
            if name in _MAY_LACK:
                continue
            raise _parameters(method, f"parameter {name} is missing")
        value = given[name]
        if not isinstance(value, types) or isinstance(value, bool):
            raise _parameters(method, f"parameter {name} is {value!r}")
    extra = sorted(set(given) - set(expected))
    if extra:
        raise _parameters(method, f"unknown parameters: {', '.join(extra)}")


def _parameters(method: str, message: str) -> RpcError:
    return RpcError(ErrorCode.INVALID_PARAMS, f"{method}: {message}")


def _described(error: TvmTinyError, method: str) -> RpcError:
    """A tvm_tiny error as a reply, with its text or a name as the message."""
    data = {"class": type(error).__name__, "exit_code": error.exit_code, "message": str(error)}
    closed = isinstance(error, TransportError) and method in ("read_transport", "write_transport")
    return RpcError(ErrorCode.SERVER_ERROR, TRANSPORT_CLOSED if closed else str(error), data)


def _unexpected(error: Exception) -> RpcError:
    data = {"traceback": traceback.format_exc()} if os.environ.get(DEBUG) else None
    return RpcError(ErrorCode.SERVER_ERROR, f"{type(error).__name__}: {error}", data)


def main(script: str, arguments: Sequence[str] | None = None) -> int:
    """Runs a microtvm_api_server.py, which serves the folder of `script`; its exit code."""
    parser = argparse.ArgumentParser(description="Project API server of this folder.")
    parser.add_argument("--read-fd", type=int, default=0, help="Requests come from here.")
    parser.add_argument("--write-fd", type=int, default=1, help="Replies go here.")
    parser.add_argument("--debug", action="store_true", help="Errors come with tracebacks.")
    options = parser.parse_args(arguments)
    if options.debug:
        os.environ[DEBUG] = "1"
    replies = os.dup(options.write_fd)
    if options.write_fd == 1:
        os.dup2(2, 1)  # output of libraries must not get between the replies
    try:
        handler = Handler(Path(script).absolute().parent)
    except TvmTinyError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    with os.fdopen(options.read_fd, "rb") as requests, os.fdopen(replies, "wb") as out:
        Server(requests, out, handler).serve()
    return 0
