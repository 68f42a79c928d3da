"""Compilers and emulators that a test needs."""

from __future__ import annotations

import pytest

from tvm_tiny import toolchain
from tvm_tiny.errors import ToolchainError


def require(*tools: str) -> None:
    """Skips the test, with the reason, where a tool is missing."""
    for tool in tools:
        try:
            toolchain.find_tool(tool)
        except ToolchainError as error:
            pytest.skip(str(error))
