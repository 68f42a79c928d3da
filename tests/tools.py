"""Programs, Python packages and files that a test needs: without them it is skipped.

Where TVM_TINY_CI is set, as .ci/run sets it, whatever CI is meant to have must be there: a test
that misses such a thing fails, since nobody reads the skipped ones.
"""

from __future__ import annotations

import importlib
import os
import shutil
from types import ModuleType
from typing import NoReturn

import pytest

from tvm_tiny import toolchain
from tvm_tiny.errors import ToolchainError

SHARED_MATERIAL = "the shared material"
# What scripts/setup and .ci/run install, and the real models.
IN_CI = frozenset(
    {
        toolchain.HOST_CC, toolchain.ARM_GCC, toolchain.RISCV_GCC,
        toolchain.QEMU_ARM, toolchain.QEMU_RISCV32, "arm-none-eabi-objdump",
        "gcc", "clang", "cmake", "make", "chromium", "chromedriver",
        "PIL", "cloudpickle", "distributed", "onnxruntime", "psutil", "skl2onnx", "sklearn",
        "serial", "west", "xgboost",
        "flax", "jax2onnx", "onnxscript", "tensorflow", "torch",
        SHARED_MATERIAL,
    }
)  # fmt: skip


def missing(name: str, reason: str) -> NoReturn:
    """Skip the test or module; fail it in CI if the list above has the name."""
    if os.environ.get("TVM_TINY_CI") and name.split(".")[0] in IN_CI:
        pytest.fail(f"CI is meant to have {name}: {reason}", pytrace=False)
    pytest.skip(reason, allow_module_level=True)


def require(*tools: str) -> None:
    """Skip the test, with the reason, where one of these programs is missing."""
    for tool in tools:
        if tool in toolchain.PACKAGES:
            try:
                toolchain.find_tool(tool)
            except ToolchainError as error:
                missing(tool, str(error))
        elif shutil.which(tool) is None:
            missing(tool, f"needs {tool}")


def require_package(name: str, reason: str | None = None) -> ModuleType:
    """The Python module with this name; skip the test or module where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        missing(name, reason or f"needs the package {name}: {error}")
