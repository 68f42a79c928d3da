"""Reports as entries of JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tvm_tiny.analysis import Analysis

from .data import Report
from .pareto import Point


def report_entries(report: Report) -> dict[str, Any]:
    """The whole report, which its page embeds."""
    return {
        "model": {"file": report.model, "name": report.name},
        "target": report.target,
        "options": {**_options(report), "pools": _pools(report)},
        "totals": total_entries(report),
        "operators": operator_entries(report.analysis),
        "order": asdict(report.order),
        "plans": [asdict(plan) for plan in report.plans],
        "pareto": point_entries(report.front),
        "calibration": None if report.quality is None else asdict(report.quality),
        "instructions": None if report.instructions is None else asdict(report.instructions),
    }


def _options(report: Report) -> dict[str, Any]:
    return {key: report.options.get(key, value) for key, value in _OPTIONS.items()}


def _pools(report: Report) -> dict[str, int] | None:
    memory = report.options.get("pools")
    return None if memory is None else {pool.name: pool.size for pool in memory.pools}


# Defaults of the options of `build`.
_OPTIONS: dict[str, Any] = {
    "sram": None,
    "minimize": False,
    "stream_input": False,
    "stages": [],
    "io_in_arena": True,
    "fold_edges": True,
}


def total_entries(report: Report) -> dict[str, Any]:
    """The model's total costs; None for figures that its compiler cannot give."""
    analysis, measured = report.analysis, report.measured
    return {
        "macs": analysis.macs,
        "extra_macs": analysis.extra_macs,
        "parameter_bytes": analysis.parameter_bytes,
        "arena_bytes": analysis.arena_bytes,
        "arena_lower_bound_bytes": analysis.arena_lower_bound,
        "arena_proven": analysis.arena_proven,
        "code_bytes": measured.code_bytes,
        "flash_bytes": measured.flash_bytes,
        "stack_bytes": measured.stack_bytes,
    }


def operator_entries(analysis: Analysis) -> list[dict[str, Any]]:
    """One entry for each operator."""
    return [
        {**asdict(op), "shape": list(op.shape), "is_float": op.op.startswith("float ")}
        for op in analysis.operators
    ]


def point_entries(points: tuple[Point, ...] | None) -> list[dict[str, Any]] | None:
    """The trade between SRAM and work."""
    if points is None:
        return None
    return [asdict(point) for point in points]
