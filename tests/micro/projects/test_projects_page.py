"""docs/projects.md, word for word: its commands and its script."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
from repository import ROOT
from tools import require

from tvm_tiny import toolchain
from tvm_tiny.cli.app import run_app
from tvm_tiny.micro.project_api.server import _METHODS

PAGE = (ROOT / "docs" / "projects.md").read_text(encoding="utf-8")
BLOCKS = [
    block.replace("\n    ", "\n").strip()
    for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", PAGE, re.MULTILINE)
]


@pytest.mark.qemu
@pytest.mark.filterwarnings("ignore:model .* is compiled for:UserWarning")
def test_commands_and_script_run_in_their_order(model_file, tmp_path, monkeypatch, capsys):
    require(toolchain.HOST_CC, toolchain.ARM_GCC, toolchain.QEMU_ARM)
    monkeypatch.chdir(tmp_path)
    assert model_file == tmp_path / "model.tflite"
    np.savez("x.npz", np.zeros((2, 6, 6, 2), "int8"))
    commands = [line for block in BLOCKS for line in block.splitlines() if " DIR" not in line]
    ours = [line for line in commands if line.startswith(("tvm-tiny ", "make "))]
    assert len(ours) >= 12
    for line in ours:
        first, *rest = shlex.split(line)
        done = run_app(rest) if first == "tvm-tiny" else subprocess.call([first, *rest])
        assert done == 0, line
    (script,) = [block for block in BLOCKS if block.startswith("import ")]
    exec(compile(script, "projects.md", "exec"), {})
    assert "[array(" in capsys.readouterr().out
    assert Path("y.npz").is_file()


def test_all_methods_and_templates_are_told():
    from tvm_tiny.micro.projects import PROJECT_TYPES

    for name in (*_METHODS, *PROJECT_TYPES):
        assert f"`{name}`" in PAGE


def test_the_tree_is_that_of_a_project(archive, tmp_path):
    require(toolchain.HOST_CC)
    from tvm_tiny.micro.projects import create_project

    create_project(tmp_path / "p", [archive], "host", {}).build()
    (block,) = [block for block in BLOCKS if block.startswith("project.json")]
    named = {line.split()[0].replace("NAME", "one") for line in block.splitlines()}
    assert all((tmp_path / "p" / name).exists() for name in named)
    tops = {name.split("/")[0] for name in named}
    assert {path.name for path in (tmp_path / "p").iterdir()} == tops
