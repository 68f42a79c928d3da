"""Integer reference in NumPy: what every compiled model must reproduce byte for byte.

It shares no code with the compiler and does not import TVM. The kernels are pure functions
(`arithmetic`, `fixed_point`, `quantization`, `convolution`, `dense`, `pooling`, `elementwise`,
`activation`, `movement`); `TFLiteReference` and `ONNXReference` run whole models on them.
"""

from .quantization import Quant
from .tensor import TensorInfo
from .tflite import TFLiteReference

__all__ = ["Quant", "TFLiteReference", "TensorInfo"]
