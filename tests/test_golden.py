"""Real models on every board: compiled, run, and compared with recorded outputs.

TFLite models must meet the reference kernels' outputs bit for bit; ONNX models within three steps
of the output's scale, with the same most probable class.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

import tvm_tiny
from tvm_tiny.errors import BoardError, ToolchainError
from tvm_tiny.micro.boards import BOARDS
from tvm_tiny.micro.firmware import build_firmware

TFLITE = ("ad01_int8", "kws_ref_model", "mcunet_vww1", "pretrainedResnet_quant", "vww_96_int8")
ONNX = ("mbv2-w0.35-qdq", "mcunet-5fps-qdq", "proxyless-w0.3-qdq")
FILES = {**{stem: f"{stem}.tflite" for stem in TFLITE}, **{stem: f"{stem}.onnx" for stem in ONNX}}
# Emulating is slow: these run a sample each wherever the suite runs, all others nightly.
QUICK = {
    ("kws_ref_model", "mps2_an386"),
    ("mcunet_vww1", "mps2_an386"),
    ("vww_96_int8", "mps3_an547"),
    ("mcunet-5fps-qdq", "mps2_an500"),
    ("pretrainedResnet_quant", "mps2_an505"),
    ("ad01_int8", "mps2_an385"),
    ("kws_ref_model", "riscv32"),
}
# Boards that hold every model; elsewhere one that does not fit is skipped.
LARGE = ("host", "mps2_an386", "mps2_an500", "mps3_an547")
MOST_STEPS = 3


@functools.cache
def compiled(path: Path, target: str) -> tvm_tiny.CompiledModel:
    return tvm_tiny.build(tvm_tiny.from_file(path), target)


def check(stem: str, board: str, samples: int, model_path, golden, tmp_path: Path) -> None:
    path, (inputs, expected) = model_path(FILES[stem]), golden(stem)
    model = compiled(path, BOARDS[board].target.name)
    model.save(tmp_path / "model", folder=True)
    try:
        firmware = build_firmware(tmp_path / "model", board, tmp_path)
    except ToolchainError as error:
        pytest.skip(str(error))
    except BoardError as error:
        if board in LARGE or "does not fit" not in str(error):
            raise
        pytest.skip(str(error))
    (source,), (result,) = model.program.interface.inputs, model.program.interface.outputs
    feeds = [[source.to_device(inputs[k : k + 1])] for k in range(samples)]
    run = firmware.run(feeds, timeout_s=600)
    actual = np.concatenate([result.from_device(outputs[0]) for outputs in run.outputs])
    if stem in TFLITE:
        np.testing.assert_array_equal(actual, expected[:samples])
        return
    assert result.scale is not None
    assert np.abs(actual - expected[:samples]).max() <= (MOST_STEPS + 0.01) * result.scale
    np.testing.assert_array_equal(actual.argmax(-1), expected[:samples].argmax(-1))


@pytest.mark.models
@pytest.mark.parametrize("stem", FILES)
def test_models_on_the_host(stem, model_path, golden, tmp_path):
    check(stem, "host", 8, model_path, golden, tmp_path)


def _cases() -> list[object]:
    return [
        pytest.param(
            stem,
            board.name,
            1 if (stem, board.name) in QUICK else 4,
            marks=() if (stem, board.name) in QUICK else (pytest.mark.slow,),
            id=f"{stem}-{board.name}",
        )
        for stem in FILES
        for board in BOARDS.values()
        if board.machine is not None
    ]


@pytest.mark.models
@pytest.mark.qemu
@pytest.mark.parametrize(("stem", "board", "samples"), _cases())
def test_models_on_boards(stem, board, samples, model_path, golden, tmp_path):
    check(stem, board, samples, model_path, golden, tmp_path)
