"""Frontends import a model file into the QDQ Relax form that all passes start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import tvm

from tvm_tiny.errors import DataError, ModelError

from .calibration import Calibration

if TYPE_CHECKING:
    import torch

# Suffixes of PyTorch files; only exported programs among them can be read.
TORCH_SUFFIXES = (".pt2", ".pt", ".pth")


def from_file(path: str | Path, calibrate: Calibration | None = None) -> tvm.IRModule:
    """Import a .tflite, .onnx or .pt2 file.

    A file with TFLite's magic bytes is a TFLite model whatever its suffix; otherwise the suffix
    decides. A float .onnx or .pt2 model needs `calibrate`. Raises ModelError where the file cannot
    be read, UnsupportedError where it cannot be compiled, DataError where the samples do not fit.
    """
    path = Path(path)
    if _is_tflite(path):
        _refuse_calibration(path, calibrate)
        from .tflite import from_tflite

        return from_tflite(path)
    if path.suffix.lower() == ".onnx":
        from .onnx import from_onnx

        return from_onnx(path, calibrate)
    if path.suffix.lower() in TORCH_SUFFIXES:
        from .onnx import from_onnx
        from .torch import pt2_to_onnx

        return from_onnx(pt2_to_onnx(path), calibrate)
    raise ModelError(
        f"{path}: neither a TFLite model (bytes 4 to 7 are not 'TFL3') nor a .onnx or .pt2 file"
    )


def _refuse_calibration(path: Path, calibrate: Calibration | None) -> None:
    if calibrate is not None:
        raise DataError(f"--calibrate: '{path}' is a .tflite, which must be quantized already")


def to_quantized_onnx(path: Path, calibrate: Calibration | None = None) -> Any:
    """The `onnx.ModelProto` of an .onnx or .pt2 file, quantized if the file is in float."""
    from .onnx import to_quantized

    if _is_tflite(path):
        _refuse_calibration(path, calibrate)
    if path.suffix.lower() not in TORCH_SUFFIXES:
        return to_quantized(path, calibrate)[0]
    from .torch import pt2_to_onnx

    return to_quantized(pt2_to_onnx(path), calibrate)[0]


def from_torch(
    model: torch.nn.Module | torch.export.ExportedProgram,
    samples: Any = None,
    *,
    method: str = "auto",
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


__all__ = ["Calibration", "from_file", "from_torch", "to_quantized_onnx"]
