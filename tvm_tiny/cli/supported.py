"""`tvm-tiny supported-ops`."""

from __future__ import annotations

from dataclasses import asdict
from enum import Enum
from typing import Annotated

import typer

from . import options
from .printer import Printer, listing

_MEANING = {
    "integer": "int8 in, int8 out, exact",
    "float": "computed in float on the device, with a warning",
}


_OTHERS = (
    "Operators of other ranks and types run in float, with a warning that says why, or are refused."
)


class ModelFormat(str, Enum):
    """Formats of model files."""

    TFLITE = "tflite"
    ONNX = "onnx"


def supported_ops(
    model_format: Annotated[
        ModelFormat | None, typer.Option("--format", help="Only of this format; default: both.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """List the operators that can be compiled, and how each is computed."""
    printer = Printer("supported-ops", as_json=as_json)
    with printer.stage("reading the frontends' tables"):
        from .operator_tables import listed

        formats = list(ModelFormat) if model_format is None else [model_format]
        found = [entry for name in formats for entry in listed(name.value)]
    fields = {
        "operators": [
            {**asdict(entry), "ranks": list(entry.ranks), "types": list(entry.types)}
            for entry in found
        ],
        "forms": _MEANING,
    }
    headers = [(name, "left") for name in ("format", "operator", "form", "ranks", "types")]
    rows = [
        (e.format, e.operator, e.form, ", ".join(map(str, e.ranks)), ", ".join(e.types))
        for e in found
    ]
    legend = [f"{form}: {meaning}" for form, meaning in _MEANING.items()]
    printer.finish(fields, [listing(headers, rows), "", *legend, _OTHERS])
