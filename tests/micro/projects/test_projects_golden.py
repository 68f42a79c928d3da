"""Real models: one archive gives the recorded bytes on the host and on boards."""

from __future__ import annotations

import numpy as np
import pytest
from project_runs import make_project, need, run_all

import tvm_tiny

pytestmark = [
    pytest.mark.models,
    pytest.mark.qemu,
    pytest.mark.filterwarnings("ignore:model .* is compiled for:UserWarning"),
]


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("model", "board"),
    [
        ("kws_ref_model", None),
        ("kws_ref_model", "mps2_an386"),
        ("kws_ref_model", "mps3_an547"),
        ("ad01_int8", "mps2_an385"),
        slow("vww_96_int8", None),
        slow("vww_96_int8", "mps2_an386"),
        slow("pretrainedResnet_quant", "riscv32"),
        slow("mcunet_vww1", "mps2_an500"),
    ],
)
def test_one_archive_gives_the_recorded_bytes(model_path, golden, tmp_path, model, board):
    if board is not None:
        need(board)
    archive = tmp_path / "model.tar"
    tvm_tiny.build(tvm_tiny.from_file(model_path(f"{model}.tflite"))).save(archive)
    inputs, outputs = golden(model)
    project = make_project(tmp_path / "p", [archive], board)
    ports = project.archives()[0].interface
    given = inputs[:4].reshape(-1, *ports.inputs[0].model_shape)
    found = run_all(project, [ports.inputs[0].to_device(sample) for sample in given])
    real = [ports.outputs[0].from_device(output) for output in found]
    np.testing.assert_array_equal(np.ravel(real), outputs[:4].ravel())
