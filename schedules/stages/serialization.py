"""A stage as the text of an attribute."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from .stage import Columns, Numbers, Operator, Range, Rows, Stage, Tiles

ATTRIBUTE = "tvm_tiny.stage"


def to_json(stage: Stage) -> str:
    """As the attribute's text."""
    operators = [_packed(asdict(operator)) for operator in stage.operators]
    fields = {
        "operators": operators,
        "rows": {str(k): v for k, v in sorted(stage.rows.items())},
        "rings": {str(k): v for k, v in sorted(stage.line_buffers.items())},
        "delays": {str(k): [o, _packed(n)] for k, (o, n) in sorted(stage.delays.items())},
        "tiles": None if stage.tiles is None else asdict(stage.tiles),
        "widths": {str(k): v for k, v in sorted(stage.widths.items())},
        "scratch": stage.scratch,
        "climbs": {str(k): v for k, v in sorted(stage.skews.items())},
    }
    return json.dumps(fields)


def from_json(text: str) -> Stage:
    """From the attribute's text."""
    fields = json.loads(text)
    return Stage(
        tuple(map(_operator, fields["operators"])),
        {int(k): v for k, v in fields["rows"].items()},
        {int(k): v for k, v in fields["rings"].items()},
        {int(k): (o, _numbers(n)) for k, (o, n) in fields["delays"].items()},
        None if fields["tiles"] is None else _tiles(fields["tiles"]),
        {int(k): v for k, v in fields["widths"].items()},
        fields["scratch"],
        {int(k): v for k, v in fields["climbs"].items()},
    )


def _packed(value: Any) -> Any:
    """Tuples of numbers as runs, of which most are a few."""
    if isinstance(value, dict):
        return {key: _packed(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        if all(isinstance(v, int) for v in value):
            return {"runs": [list(run) for run in runs(value)]}
        return [_packed(item) for item in value]
    return value


def runs(values: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """(count, first, step) of the arithmetic progressions that the numbers are made of."""
    start = 0
    while start < len(values):
        end = start + 1
        step = values[end] - values[start] if end < len(values) else 0
        while end < len(values) and values[end] - values[end - 1] == step:
            end += 1
        yield end - start, values[start], step
        start = end


def _numbers(packed: Any) -> Numbers:
    return tuple(start + k * step for count, start, step in packed["runs"] for k in range(count))


def _rows(fields: Any) -> Rows:
    return Rows(_numbers(fields["first"]), _numbers(fields["end"]))


def _operator(fields: dict[str, Any]) -> Operator:
    return Operator(
        **{
            **fields,
            "operands": _numbers(fields["operands"]),
            "reads": tuple(None if r is None else _rows(r) for r in fields["reads"]),
            "writes": _rows(fields["writes"]),
            "within": tuple(None if w is None else _numbers(w) for w in fields["within"]),
            "columns": fields["columns"] and Columns(fields["columns"]["count"]),
        }
    )


def _tiles(fields: dict[str, Any]) -> Tiles:
    def ranges(spans: Any) -> tuple[tuple[Range, ...], ...]:
        return tuple(tuple((first, end) for first, end in line) for line in spans)

    return Tiles(ranges(fields["events"]), ranges(fields["columns"]))
