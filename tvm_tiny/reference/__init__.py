"""Integer reference in NumPy, which every compiled model must reproduce byte for byte.

It shares no code with the compiler and does not import TVM. The kernels are pure functions
(`arithmetic`, `fixed_point`, `quantization`, `convolution`, `dense`, `pooling`, `elementwise`,
`activation`, `movement`); `TFLiteReference` and `ONNXReference` run whole models on them.
"""

from __future__ import annotations

from pathlib import Path

from tvm_tiny.errors import ModelError
from tvm_tiny.model_file import read_model_file

from .flatbuffer import MAGIC
from .onnx import ONNXReference
from .quantization import Quant, Rounding
from .tensor import TensorInfo
from .tflite import TFLiteReference

__all__ = ["ONNXReference", "Quant", "Rounding", "TFLiteReference", "TensorInfo", "load_reference"]


def load_reference(
    path: str | Path, rounding: Rounding = Rounding.FLOAT32
) -> TFLiteReference | ONNXReference:
    """Open a model file by its content: TFLite's identifier, or the suffix .onnx.

    `rounding` applies to ONNX models; TFLite models define their own. Raises ModelError for another
    format or a damaged file, UnsupportedError for operators without a reference.
    """
    path = Path(path)
    data = read_model_file(path)
    if data[4:8] == MAGIC:
        return TFLiteReference(data)
    if path.suffix.lower() == ".onnx":
        return ONNXReference(path, rounding)
    raise ModelError(f"model file {path}: neither a TFLite model nor named .onnx")
