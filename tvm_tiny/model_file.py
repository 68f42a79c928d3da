"""Reads model files, and recognises files that are something else or damaged."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from pathlib import Path

from .errors import ModelError

# Errors, beside OSError, that reading an array of a damaged .npz or .npy raises. RuntimeError means
# an encrypted member or an unknown method of compression.
DAMAGED_ARCHIVE = (
    EOFError,
    KeyError,
    MemoryError,
    OverflowError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)

# The limit of protobuf and of FlatBuffers.
MAX_BYTES = 2**31 - 1
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
WEB_PAGE = (b"<!doctype html", b"<html")
# A binary file with at least this many line ends, all of one form, was converted as text.
TELLING_LINE_ENDS = 16
FIX_LINE_ENDS = "mark it as binary in .gitattributes and fetch it again"


def read_model_file(path: Path) -> bytes:
    """Content of a model file.

    Raises ModelError if the file cannot be read, is a Git LFS pointer or a web page, or is a model
    in which each line feed was replaced by a carriage return and a line feed.
    """
    try:
        if Path(path).stat().st_size > MAX_BYTES:
            raise ModelError(f"'{path}' has more than 2 GiB, which no model file can have")
        data = Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"'{path}' cannot be read: {error.strerror or error}") from error
    if data.startswith(LFS_POINTER):
        raise ModelError(
            f"'{path}' is a Git LFS pointer of {len(data)} bytes in place of the file; "
            "fetch the file itself: git lfs pull"
        )
    if data[:64].lstrip().lower().startswith(WEB_PAGE):
        raise ModelError(f"'{path}' is a web page, not a model; download the file itself")
    if _has_added_returns(data):
        raise ModelError(
            f"'{path}' was damaged by a conversion of line ends (every byte 0A follows a 0D); "
            f"{FIX_LINE_ENDS}"
        )
    return data


def suspicion(data: bytes) -> str:
    """The likely damage of an invalid model file, for a message; "" if unknown."""
    expected = data.count(b"\n") * data.count(b"\r") / max(len(data), 1)
    if expected > TELLING_LINE_ENDS and b"\r\n" not in data:
        return f"; perhaps a conversion of line ends removed every 0D before a 0A: {FIX_LINE_ENDS}"
    return ""


def _has_added_returns(data: bytes) -> bool:
    line_feeds = data.count(b"\n")
    return line_feeds >= TELLING_LINE_ENDS and data.count(b"\r\n") == line_feeds
