"""Adds the instructions that `tvm-tiny profile` counted to a report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from tvm_tiny.errors import DataError

from .data import Instructions, Report
from .words import short


def with_profile(report: Report, path: Path) -> Report:
    """The report with the instructions of each operator.

    Raises DataError where the profile has other operators, from another model or other options.
    """
    document = read_profile(path)
    layers = document["layers"]
    operators = report.analysis.operators
    for layer, op in zip(layers, operators, strict=False):
        if (layer["op"], layer["tensor"]) != (op.op, op.tensor):
            raise DataError(
                f"profile '{path}': layer {op.index} is {layer['op']} '{short(layer['tensor'])}', "
                f"of this report it is {op.op} '{short(op.tensor)}'; profile the same model, "
                "compiled with the same options"
            )
    if len(layers) != len(operators):
        raise DataError(
            f"profile '{path}': of {len(layers)} layers, this report has {len(operators)}; "
            "profile the same model, compiled with the same options"
        )
    counts = tuple(layer["instructions"] for layer in layers)
    macs = (op.macs + op.extra_macs for op in operators)
    per_mac = tuple(
        round(count / work, 2) if work else None for count, work in zip(counts, macs, strict=True)
    )
    found = Instructions(document["board"], document["counter"], counts, per_mac)
    return replace(report, instructions=found)


def read_profile(path: Path) -> Any:
    """Reads the output of `tvm-tiny profile --json`; DataError for any other file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"profile '{path}' cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise DataError(f"profile '{path}' is not JSON ({error})") from None
    if not _is_profile(document):
        raise DataError(f"profile '{path}' is not what 'tvm-tiny profile --json FILE' writes")
    return document


def _is_profile(document: Any) -> bool:
    """Whether a JSON document has the fields of a profile that are read here."""
    if not isinstance(document, dict) or document.get("command") != "profile":
        return False
    layers = document.get("layers")
    return (
        isinstance(document.get("board"), str)
        and document.get("counter") in ("plugin", "timer")
        and isinstance(layers, list)
        and all(isinstance(layer, dict) and _is_layer(layer) for layer in layers)
    )


def _is_layer(layer: dict[str, Any]) -> bool:
    count = layer.get("instructions")
    names = (layer.get("op"), layer.get("tensor"))
    whole = isinstance(count, int) and not isinstance(count, bool) and count >= 0
    return whole and all(isinstance(name, str) for name in names)
