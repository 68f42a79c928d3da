"""The parts of the TFLite schema that the reader needs, as tables.

Source: schema.fbs, version 3, as bound by the `tflite` package.
"""

from __future__ import annotations

import tflite

VERSION = 3

#: Operator codes by value.
OPERATORS: dict[int, str] = {
    value: name
    for name, value in vars(tflite.BuiltinOperator).items()
    if isinstance(value, int) and not name.startswith("_")
}

_TYPE_NAMES: dict[int, str] = {
    value: name
    for name, value in vars(tflite.TensorType).items()
    if isinstance(value, int) and not name.startswith("_")
}

#: Element types by value: NumPy's name where the frontend reads the type, else the schema's.
ELEMENT_TYPES: dict[int, str] = {
    value: name.lower()
    if name in {"FLOAT32", "INT32", "UINT8", "INT64", "INT16", "INT8", "BOOL"}
    else name
    for value, name in _TYPE_NAMES.items()
}

_POOL = ("Padding", "StrideW", "StrideH", "FilterWidth", "FilterHeight")
_FUSED = "FusedActivationFunction"

#: Operator -> (options table, the fields that are read), spelled as in the bindings.
OPTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ADD": ("AddOptions", (_FUSED,)),
    "ARG_MAX": ("ArgMaxOptions", ("OutputType",)),
    "ARG_MIN": ("ArgMinOptions", ("OutputType",)),
    "AVERAGE_POOL_2D": ("Pool2DOptions", (*_POOL, _FUSED)),
    "BATCH_MATMUL": ("BatchMatMulOptions", ("AdjX", "AdjY")),
    "CONCATENATION": ("ConcatenationOptions", ("Axis", _FUSED)),
    "CONV_2D": (
        "Conv2DOptions",
        ("Padding", "StrideW", "StrideH", "DilationWFactor", "DilationHFactor", _FUSED),
    ),
    "DEPTHWISE_CONV_2D": (
        "DepthwiseConv2DOptions",
        (
            "Padding",
            "StrideW",
            "StrideH",
            "DilationWFactor",
            "DilationHFactor",
            "DepthMultiplier",
            _FUSED,
        ),
    ),
    "DEPTH_TO_SPACE": ("DepthToSpaceOptions", ("BlockSize",)),
    "DIV": ("DivOptions", (_FUSED,)),
    "FULLY_CONNECTED": ("FullyConnectedOptions", ("WeightsFormat", "KeepNumDims", _FUSED)),
    "GATHER": ("GatherOptions", ("Axis", "BatchDims")),
    "GELU": ("GeluOptions", ("Approximate",)),
    "L2_NORMALIZATION": ("L2NormOptions", (_FUSED,)),
    "LEAKY_RELU": ("LeakyReluOptions", ("Alpha",)),
    "MAX_POOL_2D": ("Pool2DOptions", (*_POOL, _FUSED)),
    "MEAN": ("ReducerOptions", ("KeepDims",)),
    "MIRROR_PAD": ("MirrorPadOptions", ("Mode",)),
    "MUL": ("MulOptions", (_FUSED,)),
    "PACK": ("PackOptions", ("Axis",)),
    "REDUCE_MAX": ("ReducerOptions", ("KeepDims",)),
    "REDUCE_MIN": ("ReducerOptions", ("KeepDims",)),
    "RESHAPE": ("ReshapeOptions", ("NewShape",)),
    "RESIZE_BILINEAR": ("ResizeBilinearOptions", ("AlignCorners", "HalfPixelCenters")),
    "RESIZE_NEAREST_NEIGHBOR": (
        "ResizeNearestNeighborOptions",
        ("AlignCorners", "HalfPixelCenters"),
    ),
    "SHAPE": ("ShapeOptions", ("OutType",)),
    "SOFTMAX": ("SoftmaxOptions", ("Beta",)),
    "SPACE_TO_DEPTH": ("SpaceToDepthOptions", ("BlockSize",)),
    "SPLIT": ("SplitOptions", ("NumSplits",)),
    "SPLIT_V": ("SplitVOptions", ("NumSplits",)),
    "SQUEEZE": ("SqueezeOptions", ("SqueezeDims",)),
    "STRIDED_SLICE": (
        "StridedSliceOptions",
        ("BeginMask", "EndMask", "EllipsisMask", "NewAxisMask", "ShrinkAxisMask", "Offset"),
    ),
    "SUB": ("SubOptions", (_FUSED,)),
    "SUM": ("ReducerOptions", ("KeepDims",)),
    "TRANSPOSE_CONV": ("TransposeConvOptions", ("Padding", "StrideW", "StrideH", _FUSED)),
    "UNPACK": ("UnpackOptions", ("Num", "Axis")),
}

#: Options whose every field is a vector; read as tuples.
VECTOR_FIELDS = frozenset({"NewShape", "SqueezeDims"})

#: Operators whose options only repeat inputs or shapes, so that files may leave them out.
OPTIONAL_OPTIONS = frozenset({"RESHAPE", "SHAPE", "SQUEEZE"})

#: Operator -> (fewest, most) inputs. The inputs of an operator without an entry are not counted.
INPUT_COUNTS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(
        (
            *("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "POW", "SQUARED_DIFFERENCE"),
            *("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "ARG_MAX", "EXPAND_DIMS", "PAD"),
            *("TRANSPOSE", "SPLIT", "BATCH_MATMUL", "PRELU"),
            *("BROADCAST_TO", "GATHER", "MIRROR_PAD", "REVERSE_V2", "TILE", "ARG_MIN"),
            *("EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "NOT_EQUAL"),
            *("LOGICAL_AND", "LOGICAL_OR"),
            *("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"),
        ),
        (2, 2),
    ),
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"), (2, 3)),
    **dict.fromkeys(("PADV2", "SELECT", "SELECT_V2", "SLICE", "SPLIT_V"), (3, 3)),
    **dict.fromkeys(("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"), (3, 3)),
    **dict.fromkeys(("CONCATENATION", "PACK"), (1, 1024)),
    "ADD_N": (2, 1024),
    "RESHAPE": (1, 2),
    "STRIDED_SLICE": (4, 4),
    "TRANSPOSE_CONV": (3, 4),
}

#: Operators that may have several outputs; all others have one.
MANY_OUTPUTS = frozenset({"SPLIT", "SPLIT_V", "UNPACK"})

#: Operators with one input whose options, if any, are not needed.
UNARY = frozenset(
    {
        *("ABS", "CEIL", "COS", "DEQUANTIZE", "ELU", "EXP", "FLOOR", "HARD_SWISH", "LOG"),
        *("LOGISTIC", "LOG_SOFTMAX", "NEG", "QUANTIZE", "RELU", "RELU6", "RELU_0_TO_1"),
        *("RELU_N1_TO_1", "ROUND", "RSQRT", "SIN", "SQRT", "SQUARE", "TANH"),
        *("AVERAGE_POOL_2D", "GELU", "L2_NORMALIZATION", "LEAKY_RELU", "MAX_POOL_2D"),
        *("CAST", "LOGICAL_NOT"),
        *("SHAPE", "SOFTMAX", "SQUEEZE", "UNPACK", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH"),
    }
)
INPUT_COUNTS.update(dict.fromkeys(UNARY, (1, 1)))
