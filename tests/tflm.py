"""TensorFlow Lite Micro itself, where its Python package `tflite_micro` is installed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class RefusedError(Exception):
    """TFLM does not prepare or run a model."""


def outputs(model: bytes, feeds: Sequence[Sequence[np.ndarray]]) -> list[list[np.ndarray]]:
    """The outputs of each inference; raises ImportError without the package, RefusedError."""
    from tflite_micro.python.tflite_micro import runtime  # type: ignore[import-not-found]

    try:
        interpreter = runtime.Interpreter.from_bytes(model, arena_size=len(model) * 10 + (1 << 20))
        return [_run(interpreter, feed, _output_count(model)) for feed in feeds]
    except RuntimeError as error:
        raise RefusedError(f"TFLM refuses the model: {error}") from error


def _run(interpreter: object, feed: Sequence[np.ndarray], count: int) -> list[np.ndarray]:
    for position, array in enumerate(feed):
        interpreter.set_input(array, position)
    interpreter.invoke()
    return [interpreter.get_output(position) for position in range(count)]


def _output_count(model: bytes) -> int:
    import tflite

    return int(tflite.Model.GetRootAs(model, 0).Subgraphs(0).OutputsLength())
