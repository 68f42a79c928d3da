"""Generates the C that makes a model an MLPerf Tiny benchmark (docs/mlperf.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import jinja2
import numpy as np

from tvm_tiny._version import __version__
from tvm_tiny.errors import DataError
from tvm_tiny.text import did_you_mean

if TYPE_CHECKING:
    from tvm_tiny.archive.reader import Archive
    from tvm_tiny.interface import Port

#: Name of the generated header; sources below runtime_c that are compiled with it and a session's.
HEADER = "tvm_tiny_mlperf.h"
RUNTIME_SOURCES = ("mlperf/mlperf.c", "mlperf/text.c")


@dataclass(frozen=True)
class Benchmark:
    """Input and output of a benchmark.

    input    value of enum tvm_tiny_mlperf_input; inputs: its number of elements
    result   value of enum tvm_tiny_mlperf_result; outputs: its number of elements
    """

    input: str
    inputs: int
    result: str
    outputs: int


BENCHMARKS: Mapping[str, Benchmark] = MappingProxyType(
    {
        "ad01": Benchmark("FLOATS", 640, "ERROR", 640),
        "ic01": Benchmark("PIXELS", 32 * 32 * 3, "VECTOR", 10),
        "kws01": Benchmark("BYTES", 49 * 10, "VECTOR", 12),
        "vww01": Benchmark("PIXELS", 96 * 96 * 3, "VECTOR", 2),
    }
)


def mlperf_sources(
    archive: Archive, benchmark: str | None = None, vendor: str = "tvm-tiny"
) -> dict[str, str]:
    """tvm_tiny_mlperf.h for the first model of tvm_tiny_models.c.

    benchmark  a name of BENCHMARKS; None: the one whose sizes the model has
    vendor     the answer to the command `name%`

    Raises DataError for a model whose sizes are not those of the benchmark, or of any.
    """
    name = benchmark or _recognized(archive)
    if name not in BENCHMARKS:
        raise DataError(f"unknown benchmark {name!r}{did_you_mean(name, BENCHMARKS)}")
    if not re.fullmatch(r"[A-Za-z0-9 ._-]{1,40}", vendor):
        raise DataError(
            f"vendor {vendor!r}: expected 1 to 40 letters, digits, spaces, '.', '_', '-'"
        )
    if not _fits(archive, BENCHMARKS[name]):
        raise DataError(f"model {archive.info.name!r} is not of {name}: {_expected(name)}")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tvm_tiny", "templates"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    values = _values(archive, name, vendor)
    return {HEADER: environment.get_template("mlperf.h.j2").render(values)}


def _values(archive: Archive, name: str, vendor: str) -> dict[str, object]:
    chosen = BENCHMARKS[name]
    (source,), (result,) = archive.interface.inputs, archive.interface.outputs
    return {
        "version": __version__,
        "model": archive.info.name,
        "name": name,
        "vendor": vendor,
        "buffer": chosen.inputs * (4 if chosen.input == "FLOATS" else 1),
        "input": chosen.input,
        "result": chosen.result,
        "elements": chosen.inputs,
        "input_scale": repr(float(source.scale or 1.0)),
        "input_zero_point": source.zero_point or 0,
        "output_scale": repr(float(result.scale or 1.0)),
        "output_zero_point": result.zero_point or 0,
    }


def _recognized(archive: Archive) -> str:
    for name, benchmark in BENCHMARKS.items():
        if _fits(archive, benchmark):
            return name
    known = "; ".join(map(_expected, BENCHMARKS))
    raise DataError(f"model {archive.info.name!r} is of no MLPerf Tiny benchmark: {known}")


def _fits(archive: Archive, benchmark: Benchmark) -> bool:
    inputs, outputs = archive.interface.inputs, archive.interface.outputs
    return _is(inputs, benchmark.inputs) and _is(outputs, benchmark.outputs)


def _is(ports: tuple[Port, ...], elements: int) -> bool:
    """Whether the ports are a single int8 tensor, quantized, with that number of elements."""
    if len(ports) != 1 or ports[0].scale is None:
        return False
    return ports[0].dtype == "int8" and int(np.prod(ports[0].shape)) == elements


def _expected(name: str) -> str:
    benchmark = BENCHMARKS[name]
    return f"{name} takes {benchmark.inputs} int8 elements and gives {benchmark.outputs}"
