"""Which operators the frontends take, read from their own tables."""

from __future__ import annotations

import onnx
from tvm.relax.frontend.onnx import onnx_frontend

from tvm_tiny.frontend.onnx.convert import TABLE as ONNX_TABLE
from tvm_tiny.frontend.onnx.convert import qdq
from tvm_tiny.frontend.onnx.prepare.activation import STANDARD
from tvm_tiny.frontend.onnx.prepare.qlinear import EXPANSIONS
from tvm_tiny.frontend.tflite.ops import CONVERTERS, floating

# In the tables of operators with an integer form or without, for the family's sake; LowerQDQ
# decides otherwise.
_FLOAT_ONNX = frozenset({"Div"})


def tflite_operators() -> dict[str, str]:
    """TFLite operator -> "integer" or "float"."""
    in_float = set(floating.CONVERTERS)
    return {name: "float" if name in in_float else "integer" for name in sorted(CONVERTERS)}


def onnx_operators() -> dict[str, str]:
    """ONNX operator -> "integer", "float", or "tvm" where TVM's own frontend decides."""
    forms = {name: "tvm" for name in onnx_frontend._get_convert_map() if onnx.defs.has(name)}
    for name, converter in ONNX_TABLE.items():
        forms[name] = "float" if name in _FLOAT_ONNX else "integer"
        if converter is qdq.dynamic:
            del forms[name]
    forms |= dict.fromkeys((*EXPANSIONS, *STANDARD), "integer")
    # Folded into the convolution before it.
    forms["BatchNormalization"] = "integer"
    return dict(sorted(forms.items()))
