"""Recorded outputs of real models, bit for bit over the serial line of Zephyr in QEMU."""

from __future__ import annotations

import numpy as np
import pytest

import tvm_tiny
from tvm_tiny.micro import Session
from tvm_tiny.micro.projects.project import create_project

pytestmark = [pytest.mark.qemu, pytest.mark.models]

STEMS = ("kws_ref_model", "ad01_int8", "vww_96_int8")


@pytest.mark.parametrize(
    ("board", "target"),
    [
        ("mps2_an385", "cortex-m3"),
        pytest.param("mps2_an521", "cortex-m33", marks=pytest.mark.slow),
        pytest.param("mps3_an547", "cortex-m55", marks=pytest.mark.slow),
    ],
)
def test_golden_outputs_come_over_the_serial_line(
    tree, board, target, model_path, golden, tmp_path
):
    archives = []
    for stem in STEMS:
        compiled = tvm_tiny.build(
            tvm_tiny.from_file(model_path(f"{stem}.tflite")), target, name=stem
        )
        archives.append(tmp_path / f"{stem}.tar")
        compiled.save(archives[-1])
    for part in (STEMS,) if board != "mps3_an547" else ((STEMS[0], STEMS[2]), (STEMS[1],)):
        folder = tmp_path / "-".join(part)
        chosen = [archives[STEMS.index(stem)] for stem in part]
        project = create_project(folder, chosen, "zephyr", {"board": board})
        project.build()
        with Session(project.open_transport()) as session:
            for stem in part:
                inputs, outputs = golden(stem)
                check(session, stem, inputs, outputs)


def check(session, stem, inputs, outputs):
    model = next(model for model in session.models if model.name == stem)
    shape = model.inputs[0].shape
    ours = [session.run([sample.reshape(shape)], stem)[0].ravel() for sample in inputs]
    np.testing.assert_array_equal(ours, outputs.reshape(len(outputs), -1))
