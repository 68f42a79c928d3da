"""The orders of a stage's calls as the tables that its driver reads."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from tvm_tiny.schedules.stages.looped import Looped, counter_bits, table, words

_LINE_WIDTH = 96


@dataclass(frozen=True)
class OrderTable:
    """One table for the tiles of a stage; rows of tiles with the same order share it.

    numbers: of all orders, an end behind each. starts: for each row of tiles, where its order is.
    text: for people, in lines.
    """

    numbers: tuple[int, ...]
    starts: tuple[int, ...]
    text: tuple[str, ...]


def order_table(orders: Sequence[Looped], end: int) -> OrderTable:
    """The orders of a stage for its rows of tiles.

    end: a number above those of all calls, which stands behind an order; loops have the next ones.
    """
    distinct = list(dict.fromkeys(orders))
    tables = [[*table(order, end + 1), end] for order in distinct]
    starts = [0, *itertools.accumulate(map(len, tables))]
    places = dict(zip(distinct, starts, strict=False))
    lines: list[str] = []
    for order, start in places.items():
        prefix = f"from {start}: " if len(distinct) > 1 else ""
        lines += textwrap.wrap(prefix + words(order), _LINE_WIDTH)
    numbers = tuple(itertools.chain.from_iterable(tables))
    assert max(len(numbers), *numbers) < 1 << 16, "drivers count in 16 bits"
    return OrderTable(numbers, tuple(places[order] for order in orders), tuple(lines))


def counter_type(largest: int) -> str:
    """The smallest unsigned C type of numbers up to `largest`."""
    return f"uint{counter_bits(largest)}_t"
