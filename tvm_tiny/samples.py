"""Input samples and outputs as .npz files, in the model's own dtypes and layouts.

An archive holds an array for each input under the input's name; its first axis counts samples.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .errors import DataError
from .interface import Port
from .model_file import DAMAGED_ARCHIVE

# One sample: the model's inputs in its order, in its own shapes and dtypes.
Sample = list[np.ndarray]

# Name of an array that a model with one input takes under any name of the input.
COMMON_NAME = "inputs"


def load_npz(path: Path) -> dict[str, np.ndarray]:
    """Reads arrays by name; a .npy file gives one array "inputs". DataError if unreadable."""
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {COMMON_NAME: loaded}
            return {name: loaded[name] for name in loaded.files}
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"samples '{path}': cannot be read: {reason}") from None
    except DAMAGED_ARCHIVE as error:
        raise DataError(f"samples '{path}': not a readable .npz ({_first_line(error)})") from None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def split_samples(ports: Sequence[Port], arrays: Mapping[str, np.ndarray]) -> list[Sample]:
    """Cuts arrays by name of the input into samples; DataError where they do not fit.

    A model with one input also takes the only array, or the one named "inputs". Each array is
    [samples, *shape]; a leading 1 of the shape may be left out, as may the axis of a single sample.
    """
    if not ports:
        return [[]]
    batches = [_batch(port, _find(port, ports, arrays)) for port in ports]
    counts = {port.name: len(batch) for port, batch in zip(ports, batches, strict=True)}
    if len(set(counts.values())) > 1:
        raise DataError(f"inputs differ in their number of samples: {counts}")
    return [list(sample) for sample in zip(*batches, strict=True)]


def _find(port: Port, ports: Sequence[Port], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    if port.name in arrays:
        return arrays[port.name]
    if len(ports) == 1 and len(arrays) == 1:
        return next(iter(arrays.values()))
    if len(ports) == 1 and COMMON_NAME in arrays:
        return arrays[COMMON_NAME]
    names = [p.name for p in ports]
    raise DataError(f"no array for input '{port.name}': found {sorted(arrays)}, expected {names}")


def _batch(port: Port, array: np.ndarray) -> np.ndarray:
    """An array as [samples, *model_shape] in the model's dtype."""
    shape = port.model_shape
    inner = shape[1:] if shape[:1] == (1,) else None
    if array.ndim == len(shape) + 1 and array.shape[1:] == shape:
        batch = array
    elif inner is not None and array.ndim == len(shape) and array.shape[1:] == inner:
        batch = array.reshape(-1, *shape)
    elif array.shape in (shape, inner):
        batch = array.reshape(1, *shape)
    else:
        given = [["samples", *s] for s in (shape, inner) if s is not None]
        expected = " or ".join(f"[{', '.join(map(str, dims))}]" for dims in given)
        raise DataError(f"input '{port.name}': shape {list(array.shape)}, expected {expected}")
    if not len(batch):
        raise DataError(f"input '{port.name}': no samples: expected at least one")
    return _cast(port, batch)


def _cast(port: Port, batch: np.ndarray) -> np.ndarray:
    wanted = np.dtype(port.model_dtype)
    same_kind = batch.dtype.kind == wanted.kind
    integers = batch.dtype.kind in "iu" and wanted.kind in "iu"
    if not same_kind and not integers:
        hint = "quantize them" if wanted.kind in "iu" else "convert them"
        raise DataError(
            f"input '{port.name}': {batch.dtype} values, the model takes {wanted}; {hint} first"
        )
    if integers and batch.size:
        limits = np.iinfo(wanted)
        if int(batch.min()) < limits.min or int(batch.max()) > limits.max:
            raise DataError(
                f"input '{port.name}': values from {batch.min()} to {batch.max()} do not fit "
                f"{wanted}"
            )
    if wanted.kind == "f" and not np.isfinite(batch).all():
        raise DataError(f"input '{port.name}': holds NaN or infinity")
    return np.ascontiguousarray(batch.astype(wanted))


def random_samples(ports: Sequence[Port], count: int, seed: int) -> list[Sample]:
    """Samples with uniform values over the range of each input, by a seed."""
    random = np.random.default_rng(seed)
    return [[_random(port, random) for port in ports] for _ in range(count)]


def _random(port: Port, random: np.random.Generator) -> np.ndarray:
    dtype = np.dtype(port.model_dtype)
    if dtype.kind == "b":
        return random.integers(0, 2, port.model_shape).astype(bool)
    if dtype.kind in "iu":
        # Wide integers are mostly indices or counts, so they stay small.
        limits = (np.iinfo(dtype).min, np.iinfo(dtype).max) if dtype.itemsize == 1 else (0, 7)
        return random.integers(*limits, port.model_shape, dtype=dtype, endpoint=True)
    low, high = -1.0, 1.0
    if port.scale is not None and port.zero_point is not None:
        low, high = (port.scale * (q - port.zero_point) for q in (-128, 127))
    return random.uniform(low, high, port.model_shape).astype(dtype)


def join_outputs(ports: Sequence[Port], samples: Sequence[Sample]) -> dict[str, np.ndarray]:
    """Outputs of all samples by name, in the form of `split_samples`, without a leading 1."""
    joined = {}
    for position, port in enumerate(ports):
        arrays = [sample[position] for sample in samples]
        join = np.concatenate if port.model_shape[:1] == (1,) else np.stack
        joined[port.name] = join(arrays)
    return joined


def save_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes an .npz, whole or not at all, with any names; DataError if that fails."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
    except OSError as error:
        raise DataError(f"outputs '{path}': cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                member = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
                with archive.open(member, "w", force_zip64=True) as stream:
                    np.lib.format.write_array(stream, array, allow_pickle=False)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        os.unlink(temporary)
        raise DataError(f"outputs '{path}': cannot be written: {error.strerror}") from None
    except BaseException:
        os.unlink(temporary)
        raise
