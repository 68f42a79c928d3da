"""Versions of the compiler and the kernels, on which counts of instructions depend."""

from __future__ import annotations

import hashlib
import subprocess
from functools import cache
from importlib.resources import files

from tvm_tiny import toolchain
from tvm_tiny.aot.runtime_headers import with_parts

from .firmware import emulated

# Number of digits of a hash.
_DIGITS = 16


@cache
def kernels_version(isa: str) -> str:
    """A hash of an instruction set's micro-kernels and the kernels around them."""
    headers = with_parts([f"tvm_tiny/{isa}.h"]).values()
    folder = files("tvm_tiny.schedules") / "packed"
    paths = sorted((s for s in folder.iterdir() if s.name.endswith(".py")), key=str)
    sources = (path.read_bytes() for path in paths)
    found = hashlib.sha256(b"".join((*headers, *sources)))
    return found.hexdigest()[:_DIGITS]


def compiler_version(board: str) -> str:
    """Name and version of the compiler for a board; ToolchainError if it is missing."""
    found = toolchain.find_compiler(emulated(board).target.compiler)
    command = [str(found), "-dumpfullversion"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"{found.name} {done.stdout.strip() or 'of unknown version'}"
