"""Frontends: a model file to the QDQ Relax form that all passes start from."""

from __future__ import annotations

from pathlib import Path

import tvm

from tvm_tiny.errors import ModelError


def from_file(path: str | Path) -> tvm.IRModule:
    """Import a quantized .tflite or .onnx file; the content decides, then the suffix.

    Raises ModelError where the file cannot be read, UnsupportedError where it cannot be compiled.
    """
    path = Path(path)
    if _is_tflite(path):
        from .tflite import from_tflite

        return from_tflite(path)
    if path.suffix.lower() == ".onnx":
        from .onnx import from_onnx

        return from_onnx(path)
    raise ModelError(
        f"{path}: neither a TFLite model (bytes 4 to 7 are not 'TFL3') nor a .onnx file"
    )


def _is_tflite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error
    return head[4:] == b"TFL3" or path.suffix.lower() == ".tflite"


__all__ = ["from_file"]
