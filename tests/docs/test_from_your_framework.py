"""docs/from-your-framework.md: every program runs, and every command compiles what it wrote."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
from repository import ROOT
from tools import require_package

from tvm_tiny.cli.app import run_app

PAGE = (ROOT / "docs" / "from-your-framework.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
# What each section's programs import beside tvm_tiny's own dependencies.
NEEDS = {
    "PyTorch": ("torch", "onnxscript", "onnxruntime"),
    "Keras and TensorFlow": ("tensorflow",),
    "JAX and Flax": ("jax2onnx", "flax", "onnxruntime"),
    "scikit-learn": ("skl2onnx", "sklearn", "onnxruntime"),
}


def test_sections_with_programs_are_all_tested():
    assert [name for name, text in SECTIONS.items() if "```python" in text] == list(NEEDS)


@pytest.mark.parametrize("section", NEEDS)
def test_programs_and_commands_of_a_section_run_in_their_order(
    section, tmp_path, monkeypatch, capsys
):
    for module in NEEDS[section]:
        require_package(module, f"{module} is not installed")
    monkeypatch.chdir(tmp_path)
    steps = re.findall(r"```python\n([^`]*)```|^    (tvm-tiny .*)", SECTIONS[section], re.MULTILINE)
    for program, command in steps:
        if program:
            done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        else:
            assert run_app(shlex.split(command)[1:]) == 0, command
    assert "runs in float" not in capsys.readouterr().err
