"""Instruction sets: the layouts of their operands, and the tiles that they compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tvm import tirx
from tvm.ir import Expr

from ..requantize import i32
from .channels import BLOCKS, COMPACT, WIDE, ChannelParamsLayout
from .choice import Choice
from .float32 import IN_FLOAT32

Index = tuple[Expr | int, ...]

# Two paired filters share a 32-bit sum, of which filter 0 has 8 bits. So the sum of filter 1, at
# most 255 (the largest input minus zero point) times the sum of its |weights|, has to fit 24 bits.
_PAIRED_SUM = 1 << 23


@dataclass(frozen=True)
class Filters:
    """The layout of a block of filters.

    shape: function of (filters, elements of each) to the block's shape. index: function of
    (filter f, element k, elements) to an index. value: function of (word at that index, f) to the
    weight as int32. suffix: of the names of micro-kernels for this layout.
    """

    dtype: str
    shape: Callable[[int, int], tuple[int, ...]]
    index: Callable[[Any, Any, int], Index]
    value: Callable[[Expr, Expr], Expr] = lambda word, f: word
    suffix: str = ""


@dataclass(frozen=True)
class Isa:
    """An instruction set, as a family of micro-kernels.

    choice: the default tiling of convolutions. dense: that of fully connected layers, which have
    one pixel. scratch_levels: for each scratch level from 1 on, the tilings to try, best first.
    depthwise_in_place: {(size of the window, stride): widest output for which it is the fastest}
    of the depthwise micro-kernel without scratch, as measured; None without such a micro-kernel.
    tiles: sizes (pixels, filters) for which there is a `dot`. widens: the tile whose `dot` takes
    filters of 16 bits, too, or None.

    weights: the layout of filters. paired: the layout of two filters in words of 16 bits, where
    that is faster, or None. dtype: element type of gathered input. columns: function of (pixels,
    elements) to the shape of gathered input. column: function of (pixel, element, elements) to an
    index into it. subtracts: whether gathering subtracts the input's zero point; if not, it is
    folded into the biases, and padding has the value of the zero point. gathers_pointwise: whether
    1x1 convolutions gather, too. layout: the layout of the channels' parameters. fused: whether one
    micro-kernel computes all channels of a tile's pixels. dot: function of (pixels, filters) to the
    name of the micro-kernel. dot_arguments: function of (pointers, bytes between pixels, pixels,
    elements) to its arguments. shifts: whether there is a micro-kernel that moves rows.
    """

    name: str
    choice: Choice
    dense: Choice
    scratch_levels: tuple[tuple[Choice, ...], ...]
    depthwise_in_place: Mapping[tuple[int, int], int] | None
    tiles: tuple[tuple[int, int], ...]
    widens: tuple[int, int] | None
    dtype: str
    subtracts: bool
    gathers_pointwise: bool
    layout: ChannelParamsLayout
    fused: bool
    columns: Callable[[int, int], tuple[int, ...]]
    column: Callable[[Expr, Expr, int], Index]
    weights: Filters
    paired: Filters | None
    dot: Callable[[int, int], str]
    dot_arguments: Callable[[Sequence[Expr], int, int, int], list[Expr | int]]
    shifts: bool = False

    def rounding(self, how: str) -> Isa:
        """The instruction set for sums rounded as `how` says: "tflite" or "float32"."""
        return replace(self, layout=IN_FLOAT32[self.layout]) if how == "float32" else self

    def pack(self, weights: np.ndarray, choice: Choice) -> np.ndarray:
        """Filters [O, K] int8 as blocks [blocks, ...] in the layout that `dot` takes."""
        count, size = weights.shape
        missing = np.zeros((-count % choice.filters, size), "int8")
        blocks = np.concatenate([weights, missing]).reshape(-1, choice.filters, size)
        if self.paired is not None and choice.pairs and _pair(blocks):
            return _placed(blocks[:, :1] + 256 * blocks[:, 1:].astype("int16"), self.paired)
        return _placed(blocks, self.weights)

    @property
    def widened(self) -> Filters:
        """The layout of widened filters, which is that of gathered input."""
        return Filters(self.dtype, self.columns, self.column, suffix="w")

    def filters(self, dtype: str) -> Filters:
        """The layout of filters of this element type."""
        return self.weights if self.paired is None or dtype == "int8" else self.paired


def _placed(blocks: np.ndarray, filters: Filters) -> np.ndarray:
    """Blocks [blocks, filters, K] in a layout."""
    count, *sizes = blocks.shape
    packed = np.zeros((count, *filters.shape(*sizes)), filters.dtype)
    f, k = np.indices(sizes)
    for block in range(count):
        packed[block][filters.index(f, k, sizes[1])] = blocks[block]
    return packed


def _pair(blocks: np.ndarray) -> bool:
    """Whether all pairs of filters [blocks, 2, K] fit their words and sums, see `_PAIRED_SUM`."""
    first, second = blocks[:, 0].astype("int64"), blocks[:, 1].astype("int64")
    fit = not np.any((second == -128) & (first < 0))
    return fit and 255 * int(np.abs(second).sum(axis=1).max(initial=0)) < _PAIRED_SUM


def _quads(size: int) -> int:
    return -(-size // 4)


def _div(k: Any, by: int, size: int) -> Any:
    """The quotient k // by of an index below `size`, as TVM simplifies it."""
    return k // by if size > by else k * 0


def _mod(k: Any, by: int, size: int) -> Any:
    return k % by if size > by else k


def _half(k: Any, size: int) -> Any:
    """The pair, 0 or 1, that element k is in among its four."""
    return _div(_mod(k, 4, size), 2, size)


def _of_pair(word: Expr, f: Expr) -> Expr:
    """The weight of filter f in a word of two paired filters.

    The word is filter 0 + 256 * filter 1, so filter 0 is its signed low byte.
    """
    low = ((word & i32(255)) ^ i32(128)) - i32(128)
    return tirx.Select(f == 0, low, (word + i32(128)) >> i32(8))


# Four elements are in the order 0, 2, 1, 3, in which SXTB16 and SXTB16 with a rotation unpack them.
DSP = Isa(
    name="dsp",
    choice=Choice(2, 2),
    dense=Choice(1, 4),
    # With one pixel at a time the output can lie closer before the input than with two.
    scratch_levels=((Choice(2, 2, 0), Choice(1, 2)), (Choice(1, 2, 0), Choice(1, 2))),
    depthwise_in_place={(3, 1): 8, (3, 2): 24},
    tiles=((2, 2), (1, 2), (1, 4)),
    widens=(2, 2),
    dtype="int16",
    subtracts=True,
    gathers_pointwise=True,
    layout=COMPACT,
    fused=False,
    columns=lambda pixels, size: (_quads(size), pixels, 4),
    column=lambda p, k, size: (_div(k, 4, size), p, _mod(k, 2, size) * 2 + _half(k, size)),
    weights=Filters(
        "int8",
        lambda filters, size: (_quads(size), filters, 4),
        lambda f, k, size: (_div(k, 4, size), f, _mod(k, 4, size)),
    ),
    paired=Filters(
        "int16",
        lambda filters, size: (_quads(size), 4),
        lambda f, k, size: (_div(k, 4, size), _mod(k, 2, size) * 2 + _half(k, size)),
        _of_pair,
        "p",
    ),
    dot=lambda pixels, filters: f"dot_{pixels}x{filters}",
    dot_arguments=lambda pointers, pitch, pixels, size: [*pointers, _quads(size)],
)


def _of_bytes(
    name: str,
    filters: int,
    weights: Filters,
    layout: ChannelParamsLayout,
) -> Isa:
    """An instruction set whose micro-kernels take input as int8 in its own order."""
    return Isa(
        name=name,
        choice=Choice(2, filters),
        dense=Choice(1, filters),
        scratch_levels=((Choice(1, filters),),),
        depthwise_in_place=None,
        tiles=((2, filters), (1, filters)),
        widens=None,
        dtype="int8",
        subtracts=False,
        gathers_pointwise=False,
        layout=layout,
        fused=layout.lanes > 1,
        columns=lambda pixels, size: (pixels, size),
        column=lambda p, k, size: (p, k),
        weights=weights,
        paired=None,
        dot=lambda pixels, filters: "dot",
        dot_arguments=lambda pointers, pitch, pixels, size: [
            *(pointers[0], pitch, *pointers[1:]),
            *(pixels, size),
        ],
    )


MVE = replace(
    _of_bytes(
        "mve",
        4,
        Filters(
            "int8",
            lambda filters, size: (-(-size // 16), filters, 16),
            lambda f, k, size: (_div(k, 16, size), f, _mod(k, 16, size)),
        ),
        BLOCKS,
    ),
    depthwise_in_place={},
    shifts=True,
)

PLAIN = _of_bytes(
    "plain",
    2,
    Filters("int8", lambda filters, size: (size, filters), lambda f, k, size: (k, f)),
    WIDE,
)

ISAS: Mapping[str, Isa] = {isa.name: isa for isa in (DSP, MVE, PLAIN)}


def isa_of(attrs: Any) -> Isa:
    """The instruction set of a packed operator with these attributes."""
    return ISAS[str(attrs["isa"])].rounding(str(attrs["rounding"]))
