"""Real models in the memory pools of a board give the recorded outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tools import missing

import tvm_tiny
from tvm_tiny.checker import check_plan
from tvm_tiny.errors import ToolchainError
from tvm_tiny.micro.boards import BOARDS
from tvm_tiny.micro.firmware import build_firmware
from tvm_tiny.pools import read_pools

# Pools of awkward sizes, what is copied to them, and options of the build.
CASES: dict[str, tuple[str, dict[str, int], str | None, dict[str, bool]]] = {
    "layers": ("kws_ref_model", {"dtcm": 3001, "sram": 8502}, None, {}),
    "stages": (
        "kws_ref_model",
        {"dtcm": 203, "sram": 3001, "psram": 2777},
        None,
        {"minimize": True},
    ),
    "copied": ("ad01_int8", {"dtcm": 333, "sram": 1001, "psram": 300_001}, "psram", {}),
    "pushed": (
        "vww_96_int8",
        {"dtcm": 4001, "sram": 5003, "psram": 260_007},
        "psram",
        {"minimize": True, "stream_input": True},
    ),
    "onnx": ("mcunet-5fps-qdq", {"dtcm": 64 << 10, "sram": 320 << 10}, None, {}),
}
QUICK = ("stages", "copied")
MOST_STEPS = 3


def memory_file(folder: Path, pools: dict[str, int], copy_to: str | None) -> Path:
    tables = [
        f'[[pool]]\nname = "{n}"\nsize = {size}\nsection = ".{n}"' for n, size in pools.items()
    ]
    copy = f'copy_to = "{copy_to}"' if copy_to else ""
    path = folder / "board.toml"
    path.write_text("\n".join([*tables, '[weights]\nsection = ".external_flash"', copy]))
    return path


def check(case: str, board: str, samples: int, model_path, golden, tmp_path: Path) -> None:
    stem, pools, copy_to, options = CASES[case]
    inputs, expected = golden(stem)
    suffix = "onnx" if stem.endswith("qdq") else "tflite"
    mod = tvm_tiny.from_file(model_path(f"{stem}.{suffix}"))
    memory = read_pools(memory_file(tmp_path, pools, copy_to))
    model = tvm_tiny.build(mod, BOARDS[board].target.name, pools=memory, **options)
    check_plan(model.module)
    model.save(tmp_path / "model", folder=True)
    try:
        firmware = build_firmware(tmp_path / "model", board, tmp_path)
    except ToolchainError as error:
        missing(BOARDS[board].target.compiler, str(error))
    (source,), (result,) = model.program.interface.inputs, model.program.interface.outputs
    feeds = [[source.to_device(inputs[k : k + 1])] for k in range(samples)]
    run = firmware.run(feeds, timeout_s=600)
    actual = np.concatenate([result.from_device(outputs[0]) for outputs in run.outputs])
    most = (MOST_STEPS + 0.01) * result.scale if suffix == "onnx" else 0
    assert np.abs(actual - expected[:samples]).max() <= most


@pytest.mark.models
@pytest.mark.parametrize("case", CASES)
def test_models_in_pools_on_the_host(case, model_path, golden, tmp_path):
    check(case, "host", 4, model_path, golden, tmp_path)


@pytest.mark.models
@pytest.mark.qemu
@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=() if case in QUICK else (pytest.mark.slow,)) for case in CASES],
)
def test_models_in_pools_on_a_board(case, model_path, golden, tmp_path):
    check(case, "mps2_an386", 1, model_path, golden, tmp_path)
