"""Instruction sets: how each wants its operands packed, and which tiles it computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tvm import tirx
from tvm.ir import Expr

from ..requantize import i32
from .channels import BLOCKS, COMPACT, WIDE, Form
from .choice import Choice
from .float32 import IN_FLOAT32

Index = tuple[Expr | int, ...]

# Filter 1's share of a sum of paired filters: what 255, the largest input less its zero point,
# times its weights may come to, as 8 of a word's 32 bits are filter 0's.
_PAIRED_SUM = 1 << 23


@dataclass(frozen=True)
class Filters:
    """How a block of filters lies.

    shape: of a block of so many filters of so many elements. index: of element k of filter f.
    value: the weight of filter f in what is there, as int32. suffix: of the micro-kernels.
    """

    dtype: str
    shape: Callable[[int, int], tuple[int, ...]]
    index: Callable[[Any, Any, int], Index]
    value: Callable[[Expr, Expr], Expr] = lambda word, f: word
    suffix: str = ""


@dataclass(frozen=True)
class Isa:
    """A family of micro-kernels.

    choice: how products are computed where nothing else is asked for; dense: the same of a fully
    connected layer, which has one pixel. frugal: how with less and less memory, of each what can be
    tried, the best first; depthwise_in_place: where there is a depthwise convolution without
    scratch, the widest outputs of (size of the window, stride) for which it is the fastest too, as
    measured; otherwise None. tiles: pixels and filters that `dot` can do. widens: the tile for
    which it takes filters of 16 bits too, if there is one.

    weights: how filters lie. paired: how two filters lie in words of 16 bits, where that is faster.
    dtype: of gathered input, `columns`. subtracts: whether gathering takes the input's zero point
    off; else it is folded into the biases and padding is the zero point. gathers_pointwise:
    whether 1x1 convolutions gather too. form: of the parameters of channels. fused: whether one
    micro-kernel computes all channels of a tile's pixels. slides: whether one moves rows.
    """

    name: str
    choice: Choice
    dense: Choice
    frugal: tuple[tuple[Choice, ...], ...]
    depthwise_in_place: Mapping[tuple[int, int], int] | None
    tiles: tuple[tuple[int, int], ...]
    widens: tuple[int, int] | None
    dtype: str
    subtracts: bool
    gathers_pointwise: bool
    form: Form
    fused: bool
    columns: Callable[[int, int], tuple[int, ...]]
    column: Callable[[Expr, Expr, int], Index]
    weights: Filters
    paired: Filters | None
    dot: Callable[[int, int], str]
    dot_arguments: Callable[[Sequence[Expr], int, int, int], list[Expr | int]]
    slides: bool = False

    def rounding(self, how: str) -> Isa:
        """The same for sums that are rounded so: "tflite" or "float32"."""
        return replace(self, form=IN_FLOAT32[self.form]) if how == "float32" else self

    def pack(self, weights: np.ndarray, choice: Choice) -> np.ndarray:
        """Filters [O, K] int8 in the order in which `dot` takes them: [blocks of them, ...]."""
        count, size = weights.shape
        missing = np.zeros((-count % choice.filters, size), "int8")
        blocks = np.concatenate([weights, missing]).reshape(-1, choice.filters, size)
        if self.paired is not None and choice.pairs and _pair(blocks):
            return _placed(blocks[:, :1] + 256 * blocks[:, 1:].astype("int16"), self.paired)
        return _placed(blocks, self.weights)

    @property
    def widened(self) -> Filters:
        """How filters lie after they were widened: like gathered input."""
        return Filters(self.dtype, self.columns, self.column, suffix="w")

    def filters(self, dtype: str) -> Filters:
        """How filters of this type lie."""
        return self.weights if self.paired is None or dtype == "int8" else self.paired


def _placed(blocks: np.ndarray, filters: Filters) -> np.ndarray:
    """[blocks, filters, K] as they lie."""
    count, *sizes = blocks.shape
    packed = np.zeros((count, *filters.shape(*sizes)), filters.dtype)
    f, k = np.indices(sizes)
    for block in range(count):
        packed[block][filters.index(f, k, sizes[1])] = blocks[block]
    return packed


def _pair(blocks: np.ndarray) -> bool:
    """Whether all pairs of filters [blocks, 2, K] fit: the words, and the second one's sums."""
    first, second = blocks[:, 0].astype("int64"), blocks[:, 1].astype("int64")
    fit = not np.any((second == -128) & (first < 0))
    return fit and 255 * int(np.abs(second).sum(axis=1).max(initial=0)) < _PAIRED_SUM


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


def _of_pair(word: Expr, f: Expr) -> Expr:
    """The weight of a filter in a word of filter 0 + 256 * filter 1."""
    low = ((word & i32(255)) ^ i32(128)) - i32(128)
    return tirx.Select(f == 0, low, (word + i32(128)) >> i32(8))


# Within four elements, in the order in which SXTB16 and SXTB16 with a rotation take bytes apart.
DSP = Isa(
    name="dsp",
    choice=Choice(2, 2),
    dense=Choice(1, 4),
    # One pixel at a time: its input may lie closer behind the output than that of two.
    frugal=((Choice(2, 2, 0), Choice(1, 2)), (Choice(1, 2, 0), Choice(1, 2))),
    depthwise_in_place={(3, 1): 8, (3, 2): 24},
    tiles=((2, 2), (1, 2), (1, 4)),
    widens=(2, 2),
    dtype="int16",
    subtracts=True,
    gathers_pointwise=True,
    form=COMPACT,
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
    form: Form,
) -> Isa:
    """Those that take bytes as they come."""
    return Isa(
        name=name,
        choice=Choice(2, filters),
        dense=Choice(1, filters),
        frugal=((Choice(1, filters),),),
        depthwise_in_place=None,
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
    slides=True,
)

PLAIN = _of_bytes(
    "plain",
    2,
    Filters("int8", lambda filters, size: (size, filters), lambda f, k, size: (k, f)),
    WIDE,
)

ISAS: Mapping[str, Isa] = {isa.name: isa for isa in (DSP, MVE, PLAIN)}


def isa_of(attrs: Any) -> Isa:
    """Of a packed operator, by its attributes."""
    return ISAS[str(attrs["isa"])].rounding(str(attrs["rounding"]))
