"""The accuracy of calibrating a float model, as a table and for JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .printer import listing, summary

if TYPE_CHECKING:
    from tvm_tiny.frontend.quality import Quality

# Number of layers shown, those with the largest error.
_SHOWN = 5


def quality_entry(quality: Quality | None) -> dict[str, Any] | None:
    """The quality of a calibration for JSON."""
    return None if quality is None else asdict(quality)


def quality_tables(quality: Quality | None) -> list[Any]:
    """Tables of samples, accuracy, and the layers with the largest error."""
    if quality is None:
        return []
    rows = [("calibration", f"{quality.samples:,} samples, {quality.method}")]
    if quality.accuracy is not None:
        real, integer = quality.accuracy.in_float, quality.accuracy.in_int8
        rows.append(("accuracy", f"{real:.1%} in float, {integer:.1%} in int8"))
    headers = [("signal to noise", "right"), ("worst layers, by all errors up to them", "left")]
    worst = [
        (f"{layer.sqnr_db:.1f} dB", f"{layer.tensor} ({layer.op or 'input'})")
        for layer in quality.worst(_SHOWN)
    ]
    return [summary(rows), listing(headers, worst), ""]
