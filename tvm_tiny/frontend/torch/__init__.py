"""PyTorch modules and exported programs to Relax in QDQ form (extra `torch`).

PyTorch's own exporter writes ONNX; float operators in it are quantized with the samples.
"""

from .convert import from_torch, pt2_to_onnx

__all__ = ["from_torch", "pt2_to_onnx"]
