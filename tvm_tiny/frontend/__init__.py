"""Frontends: a model file to the QDQ Relax form that all passes start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import tvm

from tvm_tiny.errors import DataError, ModelError

from .calibration import Calibration

if TYPE_CHECKING:
    import torch

# What PyTorch users name their files; only exported programs are read.
_TORCH_SUFFIXES = (".pt2", ".pt", ".pth")


def from_file(path: str | Path, calibrate: Calibration | None = None) -> tvm.IRModule:
    """Import a .tflite, .onnx or .pt2 file; the content decides, then the suffix.

    A float .onnx or .pt2 model needs `calibrate`. Raises ModelError where the file cannot be read,
    UnsupportedError where it cannot be compiled, DataError where the samples do not fit.
    """
    path = Path(path)
    if _is_tflite(path):
        if calibrate is not None:
            raise DataError(f"--calibrate: '{path}' is a .tflite, which must be quantized already")
        from .tflite import from_tflite

        return from_tflite(path)
    if path.suffix.lower() == ".onnx":
        from .onnx import from_onnx

        return from_onnx(path, calibrate)
    if path.suffix.lower() in _TORCH_SUFFIXES:
        from .torch import from_pt2

        return from_pt2(path, calibrate)
    raise ModelError(
        f"{path}: neither a TFLite model (bytes 4 to 7 are not 'TFL3') nor a .onnx or .pt2 file"
    )


def from_torch(
    model: torch.nn.Module | torch.export.ExportedProgram,
    samples: Any = None,
    *,
    method: str = "minmax",
) -> tvm.IRModule:
    """Import a PyTorch module or exported program; see `tvm_tiny.frontend.torch.from_torch`."""
    from .torch import from_torch as convert

    return convert(model, samples, method=method)


def _is_tflite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error
    return head[4:] == b"TFL3" or path.suffix.lower() == ".tflite"


__all__ = ["Calibration", "from_file", "from_torch"]
