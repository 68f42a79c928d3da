"""Real models on every board, layer by layer and streamed, compared with recorded outputs.

TFLite models must meet the reference kernels' outputs bit for bit; ONNX models within three steps
of the output's scale, with the same most probable class.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tools import missing

import tvm_tiny
from tvm_tiny.arguments import kernels_of
from tvm_tiny.errors import BoardError, ToolchainError
from tvm_tiny.micro.boards import BOARDS
from tvm_tiny.micro.firmware import build_firmware

TFLITE = ("ad01_int8", "kws_ref_model", "mcunet_vww1", "pretrainedResnet_quant", "vww_96_int8")
ONNX = ("mbv2-w0.35-qdq", "mcunet-5fps-qdq", "proxyless-w0.3-qdq")
FILES = {**{stem: f"{stem}.tflite" for stem in TFLITE}, **{stem: f"{stem}.onnx" for stem in ONNX}}
FORMS = {
    "layers": {},
    "least": {"minimize": True},
    "pushed": {"minimize": True, "stream_input": True},
}
# What the least memory at full speed does not meet: kernels without scratch, a copy.
TIGHT = {
    "kws_ref_model": {"sram": 3_896},
    "pretrainedResnet_quant": {"sram": 11_312},
    "mbv2-w0.35-qdq": {"sram": 20_016, "stream_input": True},
    "mcunet-5fps-qdq": {"sram": 25_544, "stream_input": True},
    "proxyless-w0.3-qdq": {"sram": 25_936, "stream_input": True},
}
# Bytes of the arena, inputs and outputs included, that no change of the planner may exceed, with
# each kind of kernels. ad01_int8 is a vector: it has no rows to push.
MOST_BYTES = {
    "portable": {
        "ad01_int8": {"layers": 768, "least": 768},
        "kws_ref_model": {"layers": 8_384, "least": 3_896, "pushed": 3_576},
        "mcunet_vww1": {"layers": 76_808, "least": 20_736, "pushed": 13_656},
        "pretrainedResnet_quant": {"layers": 33_312, "least": 10_816, "pushed": 8_872},
        "vww_96_int8": {"layers": 36_872, "least": 27_752, "pushed": 10_688},
        "mbv2-w0.35-qdq": {"layers": 196_616, "least": 51_600, "pushed": 20_016},
        "mcunet-5fps-qdq": {"layers": 131_080, "least": 51_600, "pushed": 25_544},
        "proxyless-w0.3-qdq": {"layers": 99_072, "least": 51_600, "pushed": 26_296},
    },
    "plain": {
        "ad01_int8": {"layers": 768, "least": 768},
        "kws_ref_model": {"layers": 8_384, "least": 3_896, "pushed": 3_576},
        "mcunet_vww1": {"layers": 76_816, "least": 20_776, "pushed": 13_656},
        "pretrainedResnet_quant": {"layers": 33_584, "least": 11_888, "pushed": 9_880},
        "vww_96_int8": {"layers": 36_880, "least": 27_800, "pushed": 10_688},
        "mbv2-w0.35-qdq": {"layers": 196_624, "least": 51_640, "pushed": 20_008},
        "mcunet-5fps-qdq": {"layers": 131_088, "least": 51_640, "pushed": 25_544},
        "proxyless-w0.3-qdq": {"layers": 99_072, "least": 51_640, "pushed": 26_304},
    },
    "dsp": {
        "ad01_int8": {"layers": 1_920, "least": 1_920},
        "kws_ref_model": {"layers": 8_640, "least": 4_088, "pushed": 3_768},
        "mcunet_vww1": {"layers": 76_832, "least": 22_096, "pushed": 14_712},
        "pretrainedResnet_quant": {"layers": 33_872, "least": 13_040, "pushed": 11_032},
        "vww_96_int8": {"layers": 36_896, "least": 27_856, "pushed": 12_320},
        "mbv2-w0.35-qdq": {"layers": 199_728, "least": 53_728, "pushed": 22_520},
        "mcunet-5fps-qdq": {"layers": 133_696, "least": 53_728, "pushed": 28_120},
        "proxyless-w0.3-qdq": {"layers": 101_792, "least": 53_728, "pushed": 29_400},
    },
    "mve": {
        "ad01_int8": {"layers": 768, "least": 768},
        "kws_ref_model": {"layers": 8_832, "least": 4_344, "pushed": 4_024},
        "mcunet_vww1": {"layers": 77_280, "least": 21_088, "pushed": 14_152},
        "pretrainedResnet_quant": {"layers": 33_584, "least": 11_888, "pushed": 9_880},
        "vww_96_int8": {"layers": 37_280, "least": 27_800, "pushed": 11_136},
        "mbv2-w0.35-qdq": {"layers": 197_088, "least": 51_952, "pushed": 20_472},
        "mcunet-5fps-qdq": {"layers": 131_520, "least": 51_952, "pushed": 27_176},
        "proxyless-w0.3-qdq": {"layers": 100_656, "least": 51_952, "pushed": 27_504},
    },
}
# Compiling these takes longest.
SLOW = {(stem, form) for stem in ONNX for form in ("least", "pushed", "tight")} - {
    ("mcunet-5fps-qdq", "least"),
    ("mbv2-w0.35-qdq", "pushed"),
}
# Emulating is slow: these run a sample each wherever the suite runs, all others nightly.
QUICK = {
    ("kws_ref_model", "mps2_an386", "layers"),
    ("mcunet_vww1", "mps2_an386", "layers"),
    ("vww_96_int8", "mps3_an547", "layers"),
    ("mcunet-5fps-qdq", "mps2_an500", "layers"),
    ("pretrainedResnet_quant", "mps2_an505", "layers"),
    ("ad01_int8", "mps2_an385", "layers"),
    ("kws_ref_model", "riscv32", "layers"),
    ("kws_ref_model", "riscv32", "pushed"),
    # Rows moved by vectors; kernels without scratch.
    ("kws_ref_model", "mps3_an547", "pushed"),
    ("kws_ref_model", "mps3_an547", "tight"),
    # Here memory ends at the arena: what is read beside it faults.
    ("vww_96_int8", "mps2_an505", "pushed"),
    ("pretrainedResnet_quant", "mps2_an505", "least"),
}
# Where streams run nightly; all boards share the drivers.
STREAMING = ("mps2_an386", "mps2_an505", "mps3_an547", "riscv32")
# Boards that hold every model; elsewhere one that does not fit is skipped.
LARGE = ("host", "mps2_an386", "mps2_an500", "mps3_an547")
MOST_STEPS = 3


@functools.cache
def compiled(path: Path, target: str, form: str) -> tvm_tiny.CompiledModel:
    return tvm_tiny.build(tvm_tiny.from_file(path), target, **options(path.stem, form))


def options(stem: str, form: str) -> dict[str, object]:
    return TIGHT[stem] if form == "tight" else FORMS[form]


def forms(stem: str) -> list[str]:
    return [*MOST_BYTES["portable"][stem], *(["tight"] if stem in TIGHT else [])]


def most_bytes(kernels: str, stem: str, form: str) -> int:
    return TIGHT[stem]["sram"] if form == "tight" else MOST_BYTES[kernels][stem][form]


def check(
    stem: str, form: str, board: str, samples: int, model_path, golden, tmp_path: Path
) -> None:
    path, (inputs, expected) = model_path(FILES[stem]), golden(stem)
    model = compiled(path, BOARDS[board].target.name, form)
    assert model.workspace_bytes <= most_bytes(kernels_of(model.target), stem, form)
    model.save(tmp_path / "model", folder=True)
    try:
        firmware = build_firmware(tmp_path / "model", board, tmp_path)
    except ToolchainError as error:
        missing(BOARDS[board].target.compiler, str(error))
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


def _host_cases() -> Iterator[object]:
    for stem in FILES:
        for form in forms(stem):
            marks = (pytest.mark.slow,) if (stem, form) in SLOW else ()
            yield pytest.param(stem, form, marks=marks, id=f"{stem}-{form}")


@pytest.mark.models
@pytest.mark.parametrize(("stem", "form"), list(_host_cases()))
def test_models_on_the_host(stem, form, model_path, golden, tmp_path):
    check(stem, form, "host", 8, model_path, golden, tmp_path)


@pytest.mark.models
@pytest.mark.parametrize(("stem", "form"), list(_host_cases()))
def test_portable_kernels_need_no_more(stem, form, model_path):
    mod = tvm_tiny.from_file(model_path(FILES[stem]))
    model = tvm_tiny.build(mod, kernels="portable", **options(stem, form))
    assert model.workspace_bytes <= most_bytes("portable", stem, form)


def _board_cases() -> Iterator[object]:
    boards = [board.name for board in BOARDS.values() if board.machine is not None]
    for stem, form, board in itertools.product(FILES, [*FORMS, "tight"], boards):
        if form not in forms(stem) or (form != "layers" and board not in STREAMING):
            continue
        quick = (stem, board, form) in QUICK
        marks = () if quick else (pytest.mark.slow,)
        name = f"{stem}-{form}-{board}"
        yield pytest.param(stem, form, board, 1 if quick else 4, marks=marks, id=name)


@pytest.mark.models
@pytest.mark.qemu
@pytest.mark.parametrize(("stem", "form", "board", "samples"), list(_board_cases()))
def test_models_on_boards(stem, form, board, samples, model_path, golden, tmp_path):
    check(stem, form, board, samples, model_path, golden, tmp_path)
