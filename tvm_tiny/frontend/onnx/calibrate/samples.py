"""Calibration samples: arrays from files, checked against a model's inputs."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tvm_tiny.errors import DataError
from tvm_tiny.model_file import DAMAGED_ARCHIVE

from ...calibration import Calibration
from ..graph import Array, TensorType
from ..load import first_line
from .folder import load_array, load_folder

MAX_SAMPLE_BYTES = 2**31
# An array of this name holds the right class of each sample, unless the model has such an input.
LABELS = "labels"


def load_samples(inputs: Mapping[str, TensorType], calibration: Calibration) -> dict[str, Array]:
    """The calibration arrays by input name; DataError where they cannot be read."""
    if isinstance(calibration.samples, Mapping):
        return {name: np.asarray(value) for name, value in calibration.samples.items()}
    path = Path(calibration.samples)
    if not path.is_dir() and path.suffix.lower() != ".npy":
        return _load_archive(path)
    if len(inputs) != 1:
        raise DataError(
            f"calibration '{path}': a model of {len(inputs)} inputs needs an .npz with an array "
            f"for each of {list(inputs)}"
        )
    ((name, known),) = inputs.items()
    if path.is_dir():
        return {name: load_folder(path, known, calibration)}
    return {name: load_array(path)}


def _load_archive(path: Path) -> dict[str, Array]:
    try:
        _check_archive(path)
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise DataError(f"cannot read calibration file '{path}': {reason}") from None
    except DAMAGED_ARCHIVE as error:
        raise DataError(
            f"calibration file '{path}' is not a readable .npz: {first_line(error)}"
        ) from None


def _check_archive(path: Path) -> None:
    """Refuse an array that claims more bytes than its file holds, before NumPy allocates it."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                if version == (1, 0):
                    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                else:
                    shape, _, dtype = np.lib.format.read_array_header_2_0(file)
            claimed = int(np.prod(shape, dtype=object, initial=1)) * dtype.itemsize
            if claimed > min(member.file_size, MAX_SAMPLE_BYTES):
                raise ValueError(f"array '{member.filename}' is truncated or larger than 2 GiB")


def split_labels(
    inputs: Mapping[str, TensorType], samples: dict[str, Array]
) -> tuple[dict[str, Array], Array | None]:
    """The samples without the array of labels, and the labels [samples], if any."""
    if LABELS not in samples or LABELS in inputs:
        return samples, None
    labels = samples[LABELS].reshape(-1)
    if labels.dtype.kind not in "iu":
        raise DataError(f"calibration labels: expected integers, found {labels.dtype}")
    return {name: array for name, array in samples.items() if name != LABELS}, labels


def split_feeds(
    inputs: Mapping[str, TensorType], samples: Mapping[str, Array]
) -> list[dict[str, Array]]:
    """A dictionary of model inputs for each sample; DataError where samples do not fit."""
    if len(inputs) == 1 and len(samples) == 1:
        samples = dict(zip(inputs, samples.values(), strict=True))
    batches = {name: _checked(name, known, samples) for name, known in inputs.items()}
    counts = {name: len(batch) for name, batch in batches.items()}
    if len(set(counts.values())) > 1:
        raise DataError(f"calibration inputs differ in their number of samples: {counts}")
    count = min(counts.values(), default=0)
    return [{name: batch[i] for name, batch in batches.items()} for i in range(count)]


def _checked(name: str, known: TensorType, samples: Mapping[str, Array]) -> Array:
    """Samples [n, *shape] of one input, in its dtype."""
    if name not in samples:
        raise DataError(
            f"calibration data has no array for input '{name}'; found {sorted(samples)}"
        )
    array = samples[name]
    shapes = [known.shape] + ([known.shape[1:]] if known.shape[:1] == (1,) else [])
    if array.ndim == 0 or len(array) == 0 or array.shape[1:] not in shapes:
        expected = " or ".join(str(["samples", *shape]) for shape in reversed(shapes))
        raise DataError(
            f"calibration input '{name}': expected shape {expected}, found {list(array.shape)}"
        )
    same_kind = np.dtype(known.dtype).kind == array.dtype.kind
    if not same_kind or (array.dtype.kind in "iu" and array.dtype != known.dtype):
        raise DataError(
            f"calibration input '{name}' of shape {list(array.shape)}: expected dtype "
            f"{known.dtype}, found {array.dtype}"
        )
    result = np.ascontiguousarray(array.reshape(len(array), *known.shape).astype(known.dtype))
    if array.dtype.kind == "f" and not np.isfinite(result).all():
        raise DataError(
            f"calibration input '{name}' of shape {list(array.shape)} holds NaN or infinity"
        )
    return result
