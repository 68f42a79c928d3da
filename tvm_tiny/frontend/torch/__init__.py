"""PyTorch modules and exported programs to Relax in QDQ form (extra `torch`).

PyTorch's own exporter writes ONNX; what is in float there is quantized with the samples.
"""

from .convert import from_torch, pt2_to_onnx

__all__ = ["from_torch", "pt2_to_onnx"]
