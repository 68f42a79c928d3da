"""PyTorch itself: imported when it is needed, kept from talking, its errors in one line."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

from tvm_tiny.errors import ToolchainError


def import_torch() -> Any:
    """The module torch; ToolchainError where it or what its exporter needs is missing."""
    try:
        import onnxscript  # noqa: F401 - torch.onnx needs it
        import torch
    except ImportError as error:
        raise ToolchainError(
            f"PyTorch models need {error.name}, which is not installed: "
            "pip install 'tvm-tiny[torch]'"
        ) from None
    return torch


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the exporters' progress, warnings and log: what matters becomes one error."""
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
