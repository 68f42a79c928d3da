"""The examples, as their comments say to run them."""

import subprocess
import sys

from modelgen import random_onnx, random_tflite
from repository import ROOT
from tools import require

import tvm_tiny
from tvm_tiny.frontend.tflite import from_tflite

EXAMPLES = ROOT / "examples"


def test_firmware_builds_with_cmake_and_runs(tmp_path):
    require("cmake")
    mod = from_tflite(random_tflite.single_op_model("SOFTMAX", 1))
    tvm_tiny.build(mod).save(tmp_path / "model", folder=True)
    build = tmp_path / "build"
    subprocess.run(
        ["cmake", "-S", EXAMPLES / "firmware", "-B", build, f"-DMODEL_DIR={tmp_path / 'model'}"],
        check=True,
        capture_output=True,
    )
    subprocess.run(["cmake", "--build", build], check=True, capture_output=True)
    result = subprocess.run([build / "firmware"], check=True, capture_output=True, text=True)
    assert result.stdout.startswith("class ")


def test_passes_mix_with_tvms_own(tmp_path):
    model = tmp_path / "model.onnx"
    model.write_bytes(random_onnx.single_op_model("Conv", 1))
    archive = tmp_path / "out.tar"
    result = subprocess.run(
        [sys.executable, EXAMPLES / "own_pipeline.py", model, archive],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "bytes of SRAM" in result.stdout
    assert archive.exists()
