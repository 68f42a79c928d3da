"""Evaluates TFLite operators whose operands are all constants."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt

from tvm_tiny.errors import ModelError, UnsupportedError

from .flatbuffer import DAMAGE, Operator, read_graph
from .tflite_kernels import evaluate, objections
from .tflite_plain import SHAPES

Array = npt.NDArray[Any]

#: Limits on the elements that folding one operator, and a whole model, may touch. A small file can
#: ask for any number.
LIMIT, TOTAL = 1 << 26, 1 << 28

_COUNTS = (np.dtype("int32"), np.dtype("int64"))
_MOST_COUNTS = 16  # the pads of a tensor of rank 8

# Operators whose results have no more elements than their operands, whatever the operands' values.
_REARRANGED = frozenset(
    {
        *("CONCATENATION", "DEPTH_TO_SPACE", "EXPAND_DIMS", "PACK", "RESHAPE", "REVERSE_V2"),
        *("SLICE", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE"),
        *("UNPACK", "MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", *SHAPES),
    }
)
_ELEMENTWISE = frozenset(
    {
        *("ADD", "SUB", "MUL", "DIV", "FLOOR_DIV", "FLOOR_MOD", "POW", "MAXIMUM", "MINIMUM"),
        *("PRELU", "SQUARED_DIFFERENCE", "ABS", "CAST", "NEG", "RELU", "RELU6", "SQUARE"),
    }
)
_PRODUCTS = frozenset({"FULLY_CONNECTED", "BATCH_MATMUL", "GATHER"})
_WINDOWS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D"})
_WINDOW_OPTIONS = (
    *("DilationHFactor", "DilationWFactor", "FilterHeight", "FilterWidth"),
    *("StrideH", "StrideW"),
)


def constant_results(data: bytes) -> dict[int, list[Array]]:
    """Results of operators that depend on constants only, by the operator's index.

    Operators without a reference, and ones that would touch more than LIMIT elements, are left out.
    Raises ModelError for operands that do not fit together.
    """
    try:
        graph = read_graph(data)
    except (ModelError, UnsupportedError):  # the caller's own reader reports it
        return {}
    known: dict[str, Array] = {}
    found: dict[int, list[Array]] = {}
    left = TOTAL
    for op in graph.operators:
        if not _depends_on_constants(op, known) or objections(op):
            continue
        work = _work(op, known)
        if work > min(LIMIT, left):
            continue
        left -= work
        results = _evaluated(op, known)
        if results is not None:
            found[op.index] = results
            known |= {t.name: value for t, value in zip(op.outputs, results, strict=True)}
    return found


def _depends_on_constants(op: Operator, known: Mapping[str, Array]) -> bool:
    if op.name in SHAPES:
        return all(t is None or min(t.shape, default=1) > 0 for t in op.inputs)
    return bool(op.inputs) and all(
        t is None or t.data is not None or t.name in known for t in op.inputs
    )


def _evaluated(op: Operator, known: Mapping[str, Array]) -> list[Array] | None:
    try:
        results = evaluate(op, {**known, **_unread(op)})
    except UnsupportedError:
        return None
    except DAMAGE as error:
        if op.options is None and isinstance(error, AttributeError):
            raise ModelError(f"{op.label}: its options are missing") from error
        raise ModelError(f"{op.label}: operands do not fit together: {error}") from error
    return results if len(results) == len(op.outputs) else None


def _unread(op: Operator) -> dict[str, Array]:
    """Stand-ins for operands of which only the shape matters."""
    tensors = [t for t in op.inputs if t is not None] if op.name in SHAPES else []
    return {t.name: np.zeros(0, np.int8) for t in tensors}


def _work(op: Operator, known: Mapping[str, Array]) -> int:
    """An upper bound of the number of elements that the operator touches, results included."""
    operands = [t.data if t.data is not None else known.get(t.name) for t in op.inputs if t]
    arrays = [array for array in operands if array is not None]
    sizes = [max(array.size, 1) for array in arrays]
    if op.name in _REARRANGED:
        return sum(sizes)
    if op.name in _ELEMENTWISE:
        reversed_shapes = [array.shape[::-1] for array in arrays]
        return math.prod(max(axis) for axis in zip_longest(*reversed_shapes, fillvalue=1))
    if op.name in _PRODUCTS:
        return math.prod(sizes[:2])
    if op.name in _WINDOWS:
        options = (getattr(op.options, name, int)() for name in _WINDOW_OPTIONS)
        return math.prod(sizes[:2]) * math.prod(max(int(n), 1) for n in options)
    # Integer operands may be pads, repeats or sizes, which multiply the size of the result.
    growth = (_growth(a) if a.dtype in _COUNTS else a.size for a in arrays[:3])
    return math.prod(max(n, 1) for n in growth)


def _growth(values: Array) -> int:
    if values.size > _MOST_COUNTS:
        return LIMIT + 1
    return math.prod(1 + abs(int(v)) for v in values.reshape(-1))
