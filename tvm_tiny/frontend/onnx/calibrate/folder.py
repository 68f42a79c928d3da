"""Calibration samples in a folder of .npy files or images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tvm_tiny.errors import DataError, ToolchainError
from tvm_tiny.model_file import DAMAGED_ARCHIVE

from ...calibration import Calibration
from ..graph import Array, TensorType
from ..load import first_line

IMAGES = (".png", ".jpg", ".jpeg", ".bmp")
_MODES = {1: "L", 3: "RGB"}


def load_folder(folder: Path, known: TensorType, calibration: Calibration) -> Array:
    """Load an input's samples [files, ...], one from each file, sorted by file name.

    Raises DataError for a folder without samples, and for a file that does not fit the type
    `known`.
    """
    files = sorted(folder.iterdir())
    arrays = [path for path in files if path.suffix.lower() == ".npy"]
    images = [path for path in files if path.suffix.lower() in IMAGES]
    if (arrays and images) or not (arrays or images):
        found = "both .npy files and images" if arrays else "neither .npy files nor images"
        raise DataError(f"calibration folder '{folder}' holds {found} ({', '.join(IMAGES)})")
    read = _image_reader(known, calibration) if images else load_array
    parts = [read(path) for path in arrays or images]
    for path, part in zip(arrays or images, parts, strict=True):
        if part.shape not in (known.shape, known.shape[1:]):
            raise DataError(
                f"calibration sample '{path}' has shape {list(part.shape)}, the model takes "
                f"{list(known.shape)}"
            )
    return np.stack([part.reshape(known.shape) for part in parts])


def load_array(path: Path) -> Array:
    """The array in an .npy file; DataError where it cannot be read."""
    try:
        # Memory-mapped, since a damaged file may claim more bytes than there is memory.
        return np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise DataError(f"cannot read calibration file '{path}': {reason}") from None
    except DAMAGED_ARCHIVE as error:
        raise DataError(
            f"calibration file '{path}' is not a readable .npy: {first_line(error)}"
        ) from None


def _image_reader(known: TensorType, calibration: Calibration) -> Callable[[Path], Array]:
    """A function that reads an image as the model's input.

    The input is [1, C, H, W] or [1, H, W, C].
    """
    shape = known.shape
    if len(shape) != 4 or np.dtype(known.dtype).kind != "f" or not {shape[1], shape[3]} & {1, 3}:
        raise DataError(
            f"calibration by images needs a float input of 1 or 3 channels, the model takes "
            f"{known.dtype} {list(shape)}"
        )
    first = shape[1] in _MODES
    channels, height, width = shape[1:] if first else (shape[3], *shape[1:3])
    mean, std = (_by_channel(v, channels) for v in (calibration.mean, calibration.std))

    def read(path: Path) -> Array:
        pixels = _pixels(path, _MODES[channels], (width, height)).reshape(height, width, channels)
        values = ((pixels / np.float32(255) - mean) / std).astype(known.dtype)
        return np.transpose(values, (2, 0, 1)) if first else values

    return read


def _by_channel(values: tuple[float, ...], channels: int) -> Array:
    if len(values) not in (1, channels):
        raise DataError(f"calibration: {len(values)} values of mean or std for {channels} channels")
    return np.asarray(values, np.float32)


def _pixels(path: Path, mode: str, size: tuple[int, int]) -> Array:
    pillow = _pillow()
    try:
        with pillow.open(path) as image:
            if image.size != size:
                raise DataError(
                    f"image '{path}' is {image.size[0]}x{image.size[1]}, the model takes "
                    f"{size[0]}x{size[1]}: resize it as the model's other inputs were"
                )
            return np.asarray(image.convert(mode), np.float32)
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"image '{path}' cannot be read: {first_line(error)}") from None


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise ToolchainError(
            "calibrating with images needs Pillow; install it: pip install 'tvm-tiny[images]'"
        ) from None
    return Image
