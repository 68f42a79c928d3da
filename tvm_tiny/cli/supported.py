"""`tvm-tiny supported-ops`."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from . import options
from .printer import Printer, listing

_MEANING = {
    "integer": "int8 in, int8 out, exact",
    "float": "computed in float on the device, with a warning",
    "tvm": "computed in float, if TVM's own frontend takes the operator as it is used",
}


class ModelFormat(str, Enum):
    """Model files we read."""

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
        from .operator_tables import onnx_operators, tflite_operators

        tables = {"tflite": tflite_operators, "onnx": onnx_operators}
        wanted = list(tables) if model_format is None else [model_format.value]
        forms = [(name, op, form) for name in wanted for op, form in tables[name]().items()]
    fields = {
        "operators": [{"format": f, "operator": op, "form": form} for f, op, form in forms],
        "forms": _MEANING,
    }
    headers = [("format", "left"), ("operator", "left"), ("form", "left")]
    legend = [f"{form}: {meaning}" for form, meaning in _MEANING.items()]
    printer.finish(fields, [listing(headers, forms), "", *legend])
