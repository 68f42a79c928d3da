"""Tiles of a patch stage: the rows and columns that each operator computes in them.

A patch stage computes its results tile by tile. Within a tile it runs row by row, as any stage
does, over the tile's columns only; so tensors inside need memory for as many columns only. What
two tiles both need of such a tensor is computed twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from .stage import Columns, Operator, Range, Rows, Stage, Tiles

_NONE = (0, 0)


def divided(stage: Stage, tiles: Tiles, inside: Collection[int]) -> Stage:
    """A stage as a patch stage.

    inside: the tensors that nothing outside reads, which have memory for a tile's columns only.
    """
    widths = {
        operator.result: max(tiles.width(k), 1)
        for k, operator in enumerate(stage.operators)
        if operator.result in inside
    }
    operators = tuple(
        _divided(operator, tiles.computed(k), widths) for k, operator in enumerate(stage.operators)
    )
    return replace(stage, operators=operators, tiles=tiles, widths=widths)


def _divided(operator: Operator, computed: int, widths: Mapping[int, int]) -> Operator:
    """The operator with what tiles cost; in narrower memory bytes are elsewhere than `within`."""
    assert operator.columns is not None
    within = (
        None if operand in widths or operator.result in widths else latest
        for operand, latest in zip(operator.operands, operator.within, strict=True)
    )
    return replace(
        operator,
        within=tuple(within),
        extra_macs=recomputed(operator, computed),
        columns=Columns(operator.columns.count),
    )


def recomputed(operator: Operator, computed: int) -> int:
    """Multiply-accumulates beyond the operator's, of so many events times columns; see `Tiles`."""
    assert operator.columns is not None
    whole = max(operator.events * operator.columns.count, 1)
    return max(operator.macs * computed // whole - operator.macs, 0)


def tile_sizes(
    operators: Sequence[Operator], tiles: Tiles, sizes: Mapping[int, object], inside: Iterable[int]
) -> dict[int, object]:
    """For `in_place`: equal where two tensors have equal `sizes` and, inside, equal tiles."""
    narrow = set(inside)
    return {
        o.result: (sizes[o.result], tiles.columns[k] if o.result in narrow else None)
        for k, o in enumerate(operators)
    }


def lines(stage: Stage, operator: int) -> list[list[int]]:
    """The integers that an operator's kernel gets for each column of tiles.

    The first column to compute and how many, and of its inputs that are narrower the column with
    which their memory begins: see `Addressing`.
    """
    tiles = stage.tiles
    assert tiles is not None
    narrow = [p for p in stage.operators[operator].operands if p in stage.widths]
    made = [stage.producer(parameter, operator) for parameter in narrow]
    return [
        [first, end - first, *(tiles.columns[k][position][0] for k in made if k is not None)]
        for position, (first, end) in enumerate(tiles.columns[operator])
    ]


def cut(extent: int, parts: int) -> tuple[Range, ...]:
    """`parts` ranges of nearly equal size that make up `extent`."""
    edges = [extent * k // parts for k in range(parts + 1)]
    return tuple(itertools.pairwise(edges))


def tile(operators: Sequence[Operator], results: Mapping[int, int], split: Range) -> Tiles:
    """The tiles of a stage.

    operators: in topological order, with their columns; results: the tensors that the stage must
    make whole, with their rows; split: into how many rows and columns of tiles.

    In a tile, a tile of each result is computed, and of all tensors whatever that needs.
    """
    rows = {tensor: list(cut(count, split[0])) for tensor, count in results.items()}
    columns: dict[int, list[Range]] = {}
    events: list[list[Range]] = []
    for operator in reversed(operators):
        assert operator.columns is not None
        result, count = operator.result, operator.columns.count
        own = list(cut(count, split[1])) if result in results else [_NONE] * split[1]
        columns[result] = _joined(columns.get(result), own)
        wanted = rows.setdefault(result, [_NONE] * split[0])
        events.insert(0, [_events(operator.writes, span) for span in wanted])
        for operand, down, across in zip(
            operator.operands, operator.reads, operator.columns.reads, strict=False
        ):
            if down is not None and across is not None:
                rows[operand] = _joined(rows.get(operand), _read(down, events[0]))
                columns[operand] = _joined(columns.get(operand), _read(across, columns[result]))
    return Tiles(
        tuple(map(tuple, events)), tuple(tuple(columns[operator.result]) for operator in operators)
    )


def _read(reads: Rows, spans: Iterable[Range]) -> list[Range]:
    """The rows or columns that are read in each of some spans."""
    return [_hull(zip(reads.first[a:b], reads.end[a:b], strict=True)) for a, b in spans]


def _joined(known: Sequence[Range] | None, more: list[Range]) -> list[Range]:
    return more if known is None else list(map(_hull, zip(known, more, strict=True)))


def _hull(spans: Iterable[Range]) -> Range:
    """From the first to the last of all that is not empty."""
    used = [span for span in spans if span[1] > span[0]]
    return (min(a for a, _ in used), max(b for _, b in used)) if used else _NONE


def _events(writes: Rows, wanted: Range) -> Range:
    """The events that write these rows."""
    spans = enumerate(zip(writes.first, writes.end, strict=True))
    return _hull(
        (event, event + 1)
        for event, (first, end) in spans
        if max(first, wanted[0]) < min(end, wanted[1])
    )
