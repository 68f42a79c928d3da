"""Instruction sets: how each wants its operands packed, and which tiles it computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm.ir import Expr

from .channels import BLOCKS, COMPACT, WIDE, Form
from .choice import Choice

Index = tuple[Expr | int, ...]


@dataclass(frozen=True)
class Isa:
    """A family of micro-kernels.

    choice: how products are computed where nothing else is asked for; dense: the same of a fully
    connected layer, which has one pixel. tiles: pixels and filters that `dot` can do. widens: the
    tile for which it takes filters of 16 bits too, if there is one.

    dtype: of gathered input, `columns`. subtracts: whether gathering takes the input's zero point
    off; else it is folded into the biases and padding is the zero point. gathers_pointwise:
    whether 1x1 convolutions gather too. form: of the parameters of channels. fused: whether one
    micro-kernel computes all channels of a tile's pixels.
    """

    name: str
    choice: Choice
    dense: Choice
    tiles: tuple[tuple[int, int], ...]
    widens: tuple[int, int] | None
    dtype: str
    subtracts: bool
    gathers_pointwise: bool
    form: Form
    fused: bool
    columns: Callable[[int, int], tuple[int, ...]]
    column: Callable[[Expr, Expr, int], Index]
    weights: Callable[[int, int], tuple[int, ...]]
    weight: Callable[[Expr, Expr, int], Index]
    dot: Callable[[int, int], str]
    dot_arguments: Callable[[Sequence[Expr], int, int, int], list[Expr | int]]

    def pack(self, weights: np.ndarray, filters: int) -> np.ndarray:
        """Filters [O, K] int8 in the order in which `dot` takes them: [blocks of them, ...]."""
        count, size = weights.shape
        packed = np.zeros((-(-count // filters), *self.weights(filters, size)), "int8")
        f, k = np.indices((filters, size))
        places = tuple(np.asarray(i) for i in self.weight(f, k, size))
        for block in range(len(packed)):
            part = weights[block * filters : (block + 1) * filters]
            padded = np.zeros((filters, size), "int8")
            padded[: len(part)] = part
            packed[block][places] = padded
        return packed


def _quads(size: int) -> int:
    return -(-size // 4)


def _div(k: Any, by: int, size: int) -> Any:
    """k // by of an index below `size`, as TVM simplifies it."""
    return k // by if size > by else k * 0


def _mod(k: Any, by: int, size: int) -> Any:
    return k % by if size > by else k


def _half(k: Any, size: int) -> Any:
    """Which pair of its four k is in the second of."""
    return _div(_mod(k, 4, size), 2, size)


# Within four elements, in the order in which SXTB16 and SXTB16 with a rotation take bytes apart.
DSP = Isa(
    name="dsp",
    choice=Choice(2, 2),
    dense=Choice(1, 4),
    tiles=((2, 2), (1, 2), (1, 4)),
    widens=(2, 2),
    dtype="int16",
    subtracts=True,
    gathers_pointwise=True,
    form=COMPACT,
    fused=False,
    columns=lambda pixels, size: (_quads(size), pixels, 4),
    column=lambda p, k, size: (_div(k, 4, size), p, _mod(k, 2, size) * 2 + _half(k, size)),
    weights=lambda filters, size: (_quads(size), filters, 4),
    weight=lambda f, k, size: (_div(k, 4, size), f, _mod(k, 4, size)),
    dot=lambda pixels, filters: f"dot_{pixels}x{filters}",
    dot_arguments=lambda pointers, pitch, pixels, size: [*pointers, _quads(size)],
)


def _of_bytes(
    name: str,
    filters: int,
    weights: Callable[[int, int], tuple[int, ...]],
    weight: Callable[[Any, Any, int], Index],
    form: Form,
) -> Isa:
    """Those that take bytes as they come."""
    return Isa(
        name=name,
        choice=Choice(2, filters),
        dense=Choice(1, filters),
        tiles=((2, filters), (1, filters)),
        widens=None,
        dtype="int8",
        subtracts=False,
        gathers_pointwise=False,
        form=form,
        fused=form.lanes > 1,
        columns=lambda pixels, size: (pixels, size),
        column=lambda p, k, size: (p, k),
        weights=weights,
        weight=weight,
        dot=lambda pixels, filters: "dot",
        dot_arguments=lambda pointers, pitch, pixels, size: [
            *(pointers[0], pitch, *pointers[1:]),
            *(pixels, size),
        ],
    )


MVE = _of_bytes(
    "mve",
    4,
    lambda filters, size: (-(-size // 16), filters, 16),
    lambda f, k, size: (_div(k, 16, size), f, _mod(k, 16, size)),
    BLOCKS,
)

PLAIN = _of_bytes(
    "plain", 2, lambda filters, size: (size, filters), lambda f, k, size: (k, f), WIDE
)

ISAS: Mapping[str, Isa] = {isa.name: isa for isa in (DSP, MVE, PLAIN)}
