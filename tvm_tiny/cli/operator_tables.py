"""The operators that the frontends take, with their ranks and types.

They are read from the frontends' tables. tests/test_listed_operators.py compiles and runs every
entry in each rank and type, alone and beside a convolution. TVM's own frontend imports more ONNX
operators, which may compile in float; they are not listed, as they are not tested.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvm_tiny.frontend.onnx import DYNAMIC
from tvm_tiny.frontend.onnx.convert import TABLE as ONNX_TABLE
from tvm_tiny.frontend.onnx.prepare.activation import STANDARD
from tvm_tiny.frontend.onnx.prepare.qlinear import EXPANSIONS
from tvm_tiny.frontend.tflite.ops import CONVERTERS, floating

# No opset has both Upsample and QuantizeLinear; SimplifiedLayerNormalization is in no opset.
_IN_NO_FILE = frozenset({"SimplifiedLayerNormalization", "Upsample"})

_TYPES = {"tflite": ("int8",), "onnx": ("int8", "uint8")}
# Ranks of operators' first operands: those of the format, and exceptions by operator.
_ALL_RANKS = {"tflite": (1, 2, 3, 4), "onnx": (2, 3, 4)}
_IMAGES, _BATCHED, _SPATIAL = (4,), (2, 3, 4), (3, 4)
_RANKS: dict[str, dict[str, tuple[int, ...]]] = {
    "tflite": {
        **dict.fromkeys(("AVERAGE_POOL_2D", "CONV_2D", "DEPTHWISE_CONV_2D"), _IMAGES),
        **dict.fromkeys(("DEPTH_TO_SPACE", "MAX_POOL_2D", "RESIZE_BILINEAR"), _IMAGES),
        **dict.fromkeys(("RESIZE_NEAREST_NEIGHBOR", "SPACE_TO_DEPTH", "TRANSPOSE_CONV"), _IMAGES),
        **dict.fromkeys(("ARG_MAX", "ARG_MIN", "BATCH_MATMUL", "FULLY_CONNECTED"), _BATCHED),
        **dict.fromkeys(("BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND"), _SPATIAL),
        **dict.fromkeys(("EXPAND_DIMS", "PACK"), (1, 2, 3)),
        "UNPACK": _BATCHED,
    },
    "onnx": {
        **dict.fromkeys(("DepthToSpace", "PRelu", "QLinearGlobalAveragePool"), _IMAGES),
        **dict.fromkeys(("QLinearAveragePool", "SpaceToDepth", "Squeeze"), _IMAGES),
        **dict.fromkeys(("AveragePool", "Conv", "ConvTranspose", "GlobalAveragePool"), _SPATIAL),
        **dict.fromkeys(("GlobalMaxPool", "GroupNormalization", "MaxPool", "Pad"), _SPATIAL),
        **dict.fromkeys(("InstanceNormalization", "QLinearConv", "Resize"), _SPATIAL),
        **dict.fromkeys(("Gemm", "QGemm"), (2,)),
        "Unsqueeze": (2, 3),
    },
}


@dataclass(frozen=True)
class Listed:
    """An operator that compiles in all of the ranks and types.

    form   "integer" or "float"
    ranks  ranks of its first operand
    types  types of stored activations
    """

    format: str
    operator: str
    form: str
    ranks: tuple[int, ...]
    types: tuple[str, ...]


def listed(model_format: str) -> list[Listed]:
    """Every operator of a format, sorted."""
    table = tflite_operators() if model_format == "tflite" else onnx_operators()
    ranks, types = _RANKS[model_format], _TYPES[model_format]
    return [
        Listed(model_format, name, form, ranks.get(name, _ALL_RANKS[model_format]), types)
        for name, form in table.items()
    ]


def tflite_operators() -> dict[str, str]:
    """Forms of TFLite operators by name: "integer" or "float"."""
    in_float = set(floating.CONVERTERS)
    return {name: "float" if name in in_float else "integer" for name in sorted(CONVERTERS)}


def onnx_operators() -> dict[str, str]:
    """Forms of ONNX operators by name: "integer" or "float"."""
    # BatchNormalization is folded into the convolution before it.
    names = {*ONNX_TABLE, *EXPANSIONS, *STANDARD, "BatchNormalization"}
    return dict.fromkeys(sorted(names - set(DYNAMIC) - _IN_NO_FILE), "integer")
