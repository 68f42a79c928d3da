"""A float model's quantization settings: calibration samples and the method that chooses ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from tvm_tiny.errors import DataError

METHODS = ("minmax", "mse", "percentile", "entropy", "auto")


@dataclass(frozen=True)
class Calibration:
    """Samples of a model's inputs, and how to quantize with them.

    Attributes:
        samples: arrays [samples, ...] by input name (one array serves a single input whatever its
            name), or the path of an .npz of them, of a folder of .npy files or images, or of one
            of these. An array `labels` holds the right class of each sample.
        method: the choice of each tensor's range. "minmax" takes its least and greatest value,
            "mse" the range with the least squared error, "percentile" leaves out the outermost
            0.001 % of its values, "entropy" keeps most information. "auto" takes "minmax" or
            "mse", whichever gives the outputs less error.
        mean, std: images become (pixel / 255 - mean) / std, one number or one a channel.

    """

    samples: Path | str | Mapping[str, npt.NDArray[Any]]
    method: str = "auto"
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise DataError(
                f"calibration method '{self.method}' is not known: choose {', '.join(METHODS)}"
            )
        if not all(self.std):
            raise DataError("calibration: std must not be zero")
