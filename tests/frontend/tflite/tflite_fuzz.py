"""Damaged TFLite files against the frontend; a nightly run calls `fuzz` with larger counts."""

from __future__ import annotations

import time
from collections import Counter

from modelgen.mutate import mutations
from tvm import relax

from tvm_tiny.frontend.tflite import from_tflite

SLOWEST_S = 10.0


def fuzz(data: bytes, seed: int, count: int) -> Counter[str]:
    """Import `count` damaged copies of `data`; how many ended in which way.

    Raises AssertionError with the damage's description for any other exception, a message of more
    than one line, an ill-formed module, or an import that takes longer than `SLOWEST_S` seconds.
    """
    outcome: Counter[str] = Counter()
    for label, damaged in mutations(data, seed, count):
        start = time.perf_counter()
        kind, message = _outcome(damaged)
        report = f"seed {seed}, {label}: {kind}: {message}"
        assert kind in {"imported", "ModelError", "UnsupportedError"}, report
        assert "\n" not in message, report
        assert time.perf_counter() - start < SLOWEST_S, f"seed {seed}, {label}: too slow"
        outcome[kind] += 1
    return outcome


def _outcome(data: bytes) -> tuple[str, str]:
    try:
        relax.analysis.well_formed(from_tflite(data))
    except Exception as error:
        return type(error).__name__, str(error)
    return "imported", ""
