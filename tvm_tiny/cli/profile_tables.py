"""Profiles as tables, from the entries of `profile_entries`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .printer import amount, listing, summary
from .samples import source_in_words

_Entry = Mapping[str, Any]

_COUNTERS = {
    "plugin": "every instruction, by a plugin of QEMU",
    "timer": "the board's timer, read between layers",
}


def profile_tables(fields: _Entry, title: str) -> list[Any]:
    """Tables of totals, layers and functions. title: the board's."""
    tables = [_totals(fields, title), "", _layers(fields)]
    if fields["functions"] is not None:
        tables += ["", _functions(fields)]
    return tables


def _totals(fields: _Entry, title: str) -> Any:
    total, sample = fields["total"], fields["sample"]
    kind = source_in_words(sample)
    per_mac = total["instructions_per_mac"]
    more = "" if per_mac is None else f", {per_mac:.2f} a MAC"
    rows = [
        ("board", f"{fields['board']}: {title}"),
        ("sample", f"1, {kind}, after one to warm up"),
        ("counted by", _COUNTERS[fields["counter"]]),
        ("instructions", f"{total['instructions']:,} an inference{more}"),
        *_extra(fields),
        ("stack", f"{amount(fields['stack_bytes'])} at most"),
    ]
    for core, cycles in (total["estimated_cycles"] or {}).items():
        rows.append((f"{core}", f"about {cycles:,} cycles, an estimate (see docs/profile.md)"))
    return summary(rows)


def _extra(fields: _Entry) -> list[tuple[str, str]]:
    """Rows for code that ran besides the model."""
    extra = [
        ("caller", fields["caller"]["instructions"], "its loop that pushes the rows"),
        ("interrupts", fields["interrupt_instructions"], "of the timer that `run` reads"),
    ]
    return [(name, f"{count:,} instructions more: {what}") for name, count, what in extra if count]


def _layers(fields: _Entry) -> Any:
    from tvm_tiny.report.words import short

    headers = [("#", "right"), ("operator", "left"), ("result", "left"), ("rows", "right")]
    headers += [("MACs", "right"), *_headers(fields, per_mac=True)]
    rows = [
        (
            str(layer["index"]),
            layer["op"],
            short(layer["tensor"]),
            "" if layer["calls"] is None else f"{layer['calls']:,}",
            f"{layer['macs']:,}",
            *_cells(layer, fields, per_mac=True),
        )
        for layer in fields["layers"]
    ]
    driver = ("", "driver", "", "", "", *_cells(fields["driver"], fields, per_mac=True))
    macs = f"{fields['total']['macs']:,}"
    total = ("", "total", "", "", macs, *_cells(fields["total"], fields, per_mac=True))
    return listing(headers, [*rows, driver, total])


def _functions(fields: _Entry) -> Any:
    """A table of functions, the busiest first."""
    order = sorted(fields["functions"], key=lambda f: (-f["instructions"], f["name"]))
    rows = [(entry["name"], *_cells(entry, fields, per_mac=False)) for entry in order]
    return listing([("function", "left"), *_headers(fields, per_mac=False)], rows)


def _headers(fields: _Entry, *, per_mac: bool) -> list[tuple[str, str]]:
    names = ["instructions", *(["a MAC"] if per_mac else []), "share"]
    names += [f"{kind} %" for kind in fields["total"]["mix"] or ()]
    names += [f"~{core} cycles" for core in fields["total"]["estimated_cycles"] or ()]
    return [(name, "right") for name in names]


def _cells(entry: _Entry, fields: _Entry, *, per_mac: bool) -> Sequence[str]:
    count, of = entry["instructions"], fields["total"]["instructions"]
    ratio = entry["instructions_per_mac"]
    cells = [f"{count:,}"]
    if per_mac:
        cells.append("" if ratio is None else f"{ratio:.2f}")
    cells.append(_percent(count, of))
    cells += [_percent(part, count, digits=0) for part in (entry["mix"] or {}).values()]
    return [*cells, *(f"{cycles:,}" for cycles in (entry["estimated_cycles"] or {}).values())]


def _percent(part: int, whole: int, digits: int = 1) -> str:
    sign = "%" if digits else ""
    return f"{100 * part / whole:.{digits}f}{sign}" if whole else ""
