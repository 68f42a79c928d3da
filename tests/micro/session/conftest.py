"""Fixtures of the session tests: the device's side compiled for this machine."""

from __future__ import annotations

import pytest
from session_device import build_device
from tools import require

from tvm_tiny import toolchain


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    require(toolchain.HOST_CC)
    return build_device(tmp_path_factory.mktemp("device"))
