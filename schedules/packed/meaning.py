"""The loops that micro-kernels replace, for row kernels and for descriptions of TensorIntrins.

Each function here builds both, so that they are equal and the intrinsic matches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tvm import tirx
from tvm.ir import Expr, TensorLoad
from tvm.script.ir_builder import tirx as T

from .channels import ChannelParamsLayout
from .script import loops, remap, spatial

# Function of two indices to an element of a buffer.
Element = Callable[[Expr | int, Expr | int], TensorLoad]


def elements(buffer: tirx.Var, index: Callable[[Expr, Expr], Sequence[Expr | int]]) -> Element:
    """The elements of a buffer; index: function of the two indices to the buffer's own."""
    return lambda first, second: buffer[tuple(index(first, second))]


def only(index: Expr, extent: int) -> Expr | int:
    """An index, which TVM simplifies to 0 where the extent is 1."""
    return index if extent > 1 else 0


def _pair(count: int, filters: int, e: tirx.Var) -> tuple[Expr, Expr]:
    """The pixel and the filter of the e-th sum.

    One loop runs over both, as TVM would drop a loop of one iteration.
    """
    vp = spatial("vp", count, e // filters)
    return vp, spatial("vf", filters, e % filters)


def started(pixels: int, filters: int, acc: tirx.Var, bias: Callable[[Expr], Expr]) -> None:
    """acc[p, f] = bias(f), unrolled so that C compilers keep the sums in registers."""
    with T.unroll(pixels * filters) as e, T.sblock("bias"):
        vp, vf = _pair(pixels, filters, e)
        T.buffer_store(acc, bias(vf), [vp, vf])


def products(
    pixels: int,
    filters: int,
    size: int,
    acc: tirx.Var,
    x: Element,
    w: Element,
    value: Callable[[Expr, Expr], Expr],
) -> None:
    """acc[p, f] += x(p, k) * value(w(f, k), f) over k < size."""
    with loops(e=pixels * filters, k=size) as (e, k), T.sblock("product"):
        vp, vf = _pair(pixels, filters, e)
        vk = remap("R", vk=k)[0]
        p1 = only(vp, pixels)
        total, element, weight = acc[p1, vf], x(p1, vk), w(vf, vk)
        T.reads(total, element, weight)
        T.writes(total)
        product = T.Cast("int32", element) * value(T.Cast("int32", weight), vf)
        T.buffer_store(acc, total + product, [p1, vf])


def results(
    pixels: int,
    channels: int,
    acc: tirx.Var,
    params: tirx.Var,
    out: Element,
    channel: Callable[[Expr | int], Expr],
    layout: ChannelParamsLayout,
    limits: tuple[int, tuple[int, int]],
) -> None:
    """out(p, f) = acc[p, f] rescaled to int8 by the parameters of channel(f).

    limits: the output's zero point, and its clamp. The sums are overwritten, since a block that a
    TensorIntrin matches cannot have a buffer of its own.
    """
    zero_point, clamp = limits
    with loops(e=pixels * channels) as e, T.sblock("result"):
        vp, vf = _pair(pixels, channels, e)
        p1, f1 = only(vp, pixels), only(vf, channels)
        total, place, c = acc[p1, f1], out(p1, f1), channel(f1)
        T.reads(total, params[layout.all_of(c)])
        T.writes(total, place)
        T.buffer_store(acc, layout.scaled(total, params, c), [p1, f1])
        value = layout.settled(acc[p1, f1], params, c, zero_point, clamp)
        T.buffer_store(place.source, value, list(place.indices))


def widened(filters: int, size: int, w: Element, wide: Element) -> None:
    """wide(f, k) = w(f, k)."""
    with loops(f=filters, k=size) as (f, k), T.sblock("weight"):
        vf, vk = remap("SS", vf=f, vk=k)
        place = wide(vf, vk)
        value = T.Cast(str(place.source.dtype), w(vf, vk))
        T.buffer_store(place.source, value, list(place.indices))
