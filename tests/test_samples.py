"""Samples in .npz files that cannot be read."""

import zipfile

import numpy as np
import pytest
from float_models import float_model

from tvm_tiny.errors import DataError
from tvm_tiny.frontend.onnx import from_onnx
from tvm_tiny.samples import load_npz

# Fields of a member's two headers in a zip file: place in the local one, in the other, value.
FIELDS = {"flags": (6, 8, 1), "compression": (8, 10, 77)}


@pytest.fixture(params=sorted(FIELDS))
def damaged(request, tmp_path):
    """An archive whose only array claims to be encrypted, or compressed by an unknown method."""
    path = tmp_path / "samples.npz"
    np.savez(path, x=np.zeros((4, 3, 8, 8), "float32"))
    content = bytearray(path.read_bytes())
    local, central, value = FIELDS[request.param]
    with zipfile.ZipFile(path) as archive:
        content[archive.start_dir + central] = value
    content[local] = value
    path.write_bytes(content)
    return path


def test_an_array_that_cannot_be_unpacked_is_one_line(damaged):
    with pytest.raises(DataError, match=r"^samples .*: not a readable \.npz \(.+\)$"):
        load_npz(damaged)


def test_a_calibration_array_that_cannot_be_unpacked_is_one_line(damaged, tmp_path):
    model = tmp_path / "model.onnx"
    model.write_bytes(float_model(0))
    with pytest.raises(DataError, match=r"^calibration file .* is not a readable \.npz: .+$"):
        from_onnx(model, damaged)
