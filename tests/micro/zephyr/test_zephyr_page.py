"""docs/zephyr.md, word for word: its three commands and its script."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from repository import ROOT

pytestmark = [pytest.mark.qemu, pytest.mark.models]

PAGE = (ROOT / "docs" / "zephyr.md").read_text(encoding="utf-8")
SECTION = PAGE.split("\n## ")[1]


def blocks() -> list[str]:
    """The indented blocks of the first section."""
    indented = [line[4:] if line.startswith("    ") else line for line in SECTION.splitlines()]
    kept = [
        new if old.startswith("    ") or not old else "\f"
        for old, new in zip(SECTION.splitlines(), indented, strict=True)
    ]
    return [block.strip("\n") for block in "\n".join(kept).split("\f") if block.strip()]


@pytest.fixture
def folder(tree, model_path, golden, tmp_path, monkeypatch) -> Path:
    """A model, and samples for it, by the names of the page."""
    shutil.copyfile(model_path("kws_ref_model.tflite"), tmp_path / "model.tflite")
    np.savez(tmp_path / "x.npz", input_1=golden("kws_ref_model")[0])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_three_commands_give_the_recorded_outputs(folder, golden):
    commands = blocks()[0].splitlines()
    assert len(commands) == 3
    for command in commands:
        program = str(Path(sys.executable).parent / "tvm-tiny")
        done = subprocess.run([program, *shlex.split(command)[1:]], check=False)
        assert done.returncode == 0, command
    with np.load(folder / "y.npz") as outputs:
        np.testing.assert_array_equal(outputs["Identity"], golden("kws_ref_model")[1])


def test_the_script_prints_the_recorded_classes(folder, golden):
    script = blocks()[1]
    assert len([line for line in script.splitlines() if line]) <= 15
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    classes = np.argmax(golden("kws_ref_model")[1], axis=-1).ravel()
    assert done.stdout.split("\n")[-2] == str(classes)
