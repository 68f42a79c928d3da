"""Tables of operators and of totals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .printer import amount, listing, mac_text, shape_text, summary

if TYPE_CHECKING:
    from tvm_tiny.analysis import Analysis, FloatUse
    from tvm_tiny.report import Report


def operator_table(analysis: Analysis) -> Any:
    """A table with a row for each operator."""
    from tvm_tiny.report.words import short

    headers = [
        ("#", "right"),
        ("step", "right"),
        ("operator", "left"),
        ("result", "left"),
        ("shape", "left"),
        ("MACs", "right"),
        ("parameters", "right"),
        ("activations", "right"),
        ("in use", "right"),
        ("offset", "right"),
    ]
    in_float = any(op.in_float is not None for op in analysis.operators)
    rows = [
        (
            str(op.index),
            str(op.step),
            op.op,
            short(op.tensor),
            f"{op.dtype} {shape_text(op.shape)}",
            f"{op.macs:,}",
            f"{op.parameter_bytes:,}",
            f"{op.activation_bytes:,}",
            f"{op.live_bytes:,}",
            "caller's" if op.arena_offset is None else f"{op.arena_offset:,}",
            *([_float_text(op.in_float)] if in_float else []),
        )
        for op in analysis.operators
    ]
    return listing([*headers, *([("in float", "left")] if in_float else [])], rows)


def _float_text(use: FloatUse | None) -> str:
    """The reason why an operator runs in float, and an estimate of its instructions."""
    return "" if use is None else f"{use.reason}: about {use.instructions:,} instructions"


def total_table(report: Report) -> Any:
    """A table of the model's totals, without its memory plan."""
    analysis, measured, target = report.analysis, report.measured, report.target
    return summary(
        [
            ("MACs", mac_text(analysis.macs, analysis.extra_macs)),
            ("parameters", f"{amount(analysis.parameter_bytes)}, tables included"),
            ("code", f"{amount(measured.code_bytes)} ({target})"),
            ("flash", f"{amount(measured.flash_bytes)} ({target})"),
            ("stack", f"{amount(measured.stack_bytes)} ({target})"),
        ]
    )
