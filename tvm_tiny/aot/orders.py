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
    """The table of a stage's orders, one for each row of tiles.

    numbers: all different orders, with an end behind each. starts: for each row of tiles, where
    its order begins. text: the orders for people, in lines.
    """

    numbers: tuple[int, ...]
    starts: tuple[int, ...]
    text: tuple[str, ...]


def order_table(orders: Sequence[Looped], end: int) -> OrderTable:
    """Makes the table of a stage's orders, one for each row of tiles.

    end: the number behind an order, above those of all calls; loops have the numbers above it.
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
