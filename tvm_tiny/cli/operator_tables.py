"""Which operators the frontends take, read from their own tables."""

from __future__ import annotations

import onnx
from tvm.relax.frontend.onnx import onnx_frontend

from tvm_tiny.frontend.onnx import DYNAMIC
from tvm_tiny.frontend.onnx.convert import TABLE as ONNX_TABLE
from tvm_tiny.frontend.onnx.prepare.activation import STANDARD
from tvm_tiny.frontend.onnx.prepare.qlinear import EXPANSIONS
from tvm_tiny.frontend.tflite.ops import CONVERTERS, floating


def tflite_operators() -> dict[str, str]:
    """TFLite operator -> "integer" or "float"."""
    in_float = set(floating.CONVERTERS)
    return {name: "float" if name in in_float else "integer" for name in sorted(CONVERTERS)}


def onnx_operators() -> dict[str, str]:
    """ONNX operator -> "integer", "float", or "tvm" where TVM's own frontend decides."""
    by_tvm = set(onnx_frontend._get_convert_map()) - set(DYNAMIC)
    forms = {name: "tvm" for name in by_tvm if onnx.defs.has(name)}
    forms |= dict.fromkeys(ONNX_TABLE, "integer")
    forms |= dict.fromkeys((*EXPANSIONS, *STANDARD), "integer")
    # Folded into the convolution before it.
    forms["BatchNormalization"] = "integer"
    return dict(sorted(forms.items()))
