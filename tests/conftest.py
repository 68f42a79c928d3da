"""Fixtures every test may use: where the real models are, and a skip that says why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from repository import ROOT
from tools import SHARED_MATERIAL, missing

pytest.register_assert_rewrite("tflite_checks")

SHARED = ROOT.parent / "shared"


def shared_file(relative: str) -> Path:
    """Path of a real model or data file; skips the calling test where it is not there."""
    path = SHARED / relative
    if not path.exists():
        missing(SHARED_MATERIAL, f"needs {relative} of it, which is not on this machine")
    return path


@pytest.fixture
def model_path():
    """`model_path("vww_96_int8.tflite")` -> Path of a real model."""
    return lambda name: shared_file(f"models/{name}")


@pytest.fixture
def golden():
    """`golden("vww_96_int8")` -> (inputs [8, ...], outputs [8, ...]), recorded."""

    def load(stem: str) -> tuple[np.ndarray, np.ndarray]:
        with np.load(shared_file(f"golden/{stem}.npz")) as archive:
            return archive["inputs"], archive["outputs"]

    return load
