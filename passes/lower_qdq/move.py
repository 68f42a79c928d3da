"""Moves: operators that reorder or select the elements of one tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tvm import relax

from tvm_tiny import ops

Resolve = Callable[[relax.Expr], relax.Expr]


@dataclass(frozen=True)
class Move:
    """A selection and reordering of the elements of `source`.

    call: applies it to a Relax expression. values: applies it to an array; None where the order is
    known at run time only.
    """

    source: relax.Expr
    call: Callable[[relax.Expr], relax.Expr]
    values: Callable[[np.ndarray], np.ndarray] | None


def reshaped(source: relax.Expr, shape: Sequence[int]) -> Move:
    """A reshape of `source` to `shape`."""
    shape = list(shape)
    return Move(source, lambda x: relax.op.reshape(x, shape), lambda a: a.reshape(shape))


def sliced(source: relax.Expr, begin: list[int], strides: list[int], shape: list[int]) -> Move:
    """A slice: shape[k] elements of each axis k, from begin[k] in steps of strides[k]."""

    def values(array: np.ndarray) -> np.ndarray:
        picked = [
            first + step * np.arange(n)
            for first, step, n in zip(begin, strides, shape, strict=True)
        ]
        return array[np.ix_(*picked)]

    return Move(
        source,
        lambda x: ops.call("strided_slice", [x], begin=begin, strides=strides, shape=shape),
        values,
    )
