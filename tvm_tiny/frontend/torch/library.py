"""Imports PyTorch when it is needed."""

from __future__ import annotations

from typing import Any

from tvm_tiny.errors import ToolchainError


def import_torch() -> Any:
    """The module `torch`; ToolchainError where PyTorch or a library of its exporter is missing."""
    try:
        import onnxscript  # noqa: F401 - torch.onnx needs it
        import torch
    except ImportError as error:
        raise ToolchainError(
            f"PyTorch models need {error.name}, which is not installed: "
            "pip install 'tvm-tiny[torch]'"
        ) from None
    return torch
