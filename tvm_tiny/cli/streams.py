"""Hides output of C++ code from the user's terminal and from --json."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def native_output_hidden() -> Iterator[None]:
    """Discards output of C++ code to descriptors 1 and 2; Python's streams still work.

    The C++ logs of TVM and onnxruntime are for their developers: set TVM_TINY_DEBUG=1 to see them.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(1), os.dup(2)]
    python = sys.stdout, sys.stderr
    with tempfile.TemporaryFile() as sink:
        try:
            sys.stdout, sys.stderr = map(_stream_like, python, saved)
            os.dup2(sink.fileno(), 1)
            os.dup2(sink.fileno(), 2)
            yield
        finally:
            try:
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os.dup2(saved[0], 1)
                os.dup2(saved[1], 2)
                sys.stdout, sys.stderr = python
                for fd in saved:
                    os.close(fd)


def _stream_like(stream: TextIO, descriptor: int) -> TextIO:
    """A text stream to `descriptor`, which it does not close."""
    raw = io.FileIO(descriptor, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=True,
    )
