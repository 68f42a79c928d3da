"""Samples in the forms that PyTorch users have: tensors, arrays, lists and dictionaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tvm_tiny.errors import DataError

Array = npt.NDArray[Any]
Batches = Mapping[str, Any] | Sequence[Any] | Any


def to_arrays(samples: Batches) -> list[Array] | dict[str, Array]:
    """Arrays [samples, ...], one for each input: by name from a dictionary, else in order.

    A tuple holds one batch for each input. A list holds single samples, which are stacked.
    """
    if isinstance(samples, Mapping):
        return {str(name): _array(batch) for name, batch in samples.items()}
    if isinstance(samples, tuple):
        return [_array(batch) for batch in samples]
    return [_array(samples)]


def _array(batch: Any) -> Array:
    """One array of a type that models have; a list of samples is stacked."""
    if isinstance(batch, list):
        parts = [_array(part) for part in batch]
        if len({part.shape for part in parts}) != 1:
            shapes = sorted({str(list(part.shape)) for part in parts})
            raise DataError(f"samples of one input must have one shape, found {', '.join(shapes)}")
        return np.stack(parts) if parts[0].shape[:1] != (1,) else np.concatenate(parts)
    value = batch.detach().cpu().numpy() if hasattr(batch, "detach") else np.asarray(batch)
    if value.ndim == 0 or value.dtype.kind not in "fiub" or not len(value):
        raise DataError(
            f"samples must be numbers with an axis of samples, found {value.dtype} "
            f"of shape {list(value.shape)}"
        )
    return value.astype(np.float32) if value.dtype == np.float64 else value
