"""A Zephyr tree, if ZEPHYR_BASE names one; a tiny compiled model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from zephyr_model import write_tiny

from tvm_tiny.errors import ToolchainError
from tvm_tiny.micro import zephyr


@pytest.fixture(scope="session")
def tree() -> zephyr.Tree:
    """The tree; skips where there is none, or a tool to build in it is missing."""
    if not os.environ.get("ZEPHYR_BASE"):
        pytest.skip("ZEPHYR_BASE is not set: what needs a Zephyr tree is not tested")
    try:
        found = zephyr.find_tree()
        zephyr.check_tools(found, "arm")
    except ToolchainError as error:
        pytest.skip(str(error))
    return found


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """An archive of a model called "default"."""
    return write_tiny(tmp_path_factory.mktemp("tiny"))
