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

import tvm_tiny
from tvm_tiny.build import kernels_of
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
    # What the least memory at full speed does not meet: kernels without scratch, a copy.
    "tight": {"sram": 26_000, "stream_input": True},
}
# Bytes of the arena, inputs and outputs included, that no change of the planner may exceed, with
# the portable kernels. ad01_int8 is a vector: it has no rows to push.
MOST_BYTES = {
    "ad01_int8": {"layers": 768, "least": 768},
    "kws_ref_model": {"layers": 8_384, "least": 3_896, "pushed": 3_616},
    "mcunet_vww1": {"layers": 76_808, "least": 20_736, "pushed": 13_808},
    "pretrainedResnet_quant": {"layers": 33_312, "least": 10_816, "pushed": 8_944},
    "vww_96_int8": {"layers": 36_872, "least": 27_752, "pushed": 10_720},
    "mbv2-w0.35-qdq": {"layers": 196_616, "least": 51_600, "pushed": 20_040},
    "mcunet-5fps-qdq": {"layers": 131_080, "least": 51_600, "pushed": 25_568, "tight": 26_000},
    "proxyless-w0.3-qdq": {
        "layers": 99_072,
        "least": 51_600,
        "pushed": 26_320,
        "tight": 26_000,
    },
}
# What micro-kernels may add: their scratch, and results made by blocks of channels.
MORE_BYTES = {
    "plain": {
        "kws_ref_model": 80,
        "mbv2-w0.35-qdq": 56,
        "mcunet-5fps-qdq": 496,
        "mcunet_vww1": 352,
        "pretrainedResnet_quant": 1_072,
        "proxyless-w0.3-qdq": 64,
        "vww_96_int8": 56,
    },
    "dsp": {
        "ad01_int8": 1_152,
        "kws_ref_model": 256,
        "mbv2-w0.35-qdq": 3_112,
        "mcunet-5fps-qdq": 2_624,
        "mcunet_vww1": 1_360,
        "pretrainedResnet_quant": 2_224,
        "proxyless-w0.3-qdq": 3_104,
        "vww_96_int8": 1_632,
    },
    "mve": {
        "kws_ref_model": 448,
        "mbv2-w0.35-qdq": 552,
        "mcunet-5fps-qdq": 1_632,
        "mcunet_vww1": 472,
        "pretrainedResnet_quant": 1_072,
        "proxyless-w0.3-qdq": 1_584,
        "vww_96_int8": 448,
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
    # Here memory ends at the arena: what is read beside it faults.
    ("vww_96_int8", "mps2_an505", "pushed"),
    ("pretrainedResnet_quant", "mps2_an505", "least"),
}
# Where streams run nightly; all boards share the drivers.
STREAMING = ("mps2_an386", "mps2_an505", "riscv32")
# Boards that hold every model; elsewhere one that does not fit is skipped.
LARGE = ("host", "mps2_an386", "mps2_an500", "mps3_an547")
MOST_STEPS = 3


@functools.cache
def compiled(path: Path, target: str, form: str) -> tvm_tiny.CompiledModel:
    return tvm_tiny.build(tvm_tiny.from_file(path), target, **FORMS[form])


def check(
    stem: str, form: str, board: str, samples: int, model_path, golden, tmp_path: Path
) -> None:
    path, (inputs, expected) = model_path(FILES[stem]), golden(stem)
    model = compiled(path, BOARDS[board].target.name, form)
    more = 0 if form == "tight" else MORE_BYTES[kernels_of(model.target)].get(stem, 0)
    assert model.workspace_bytes <= MOST_BYTES[stem][form] + more
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


def _host_cases() -> Iterator[object]:
    for stem, forms in MOST_BYTES.items():
        for form in forms:
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
    model = tvm_tiny.build(mod, kernels="portable", **FORMS[form])
    assert model.workspace_bytes <= MOST_BYTES[stem][form]


def _board_cases() -> Iterator[object]:
    boards = [board.name for board in BOARDS.values() if board.machine is not None]
    for stem, form, board in itertools.product(FILES, FORMS, boards):
        if form not in MOST_BYTES[stem] or (form != "layers" and board not in STREAMING):
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
