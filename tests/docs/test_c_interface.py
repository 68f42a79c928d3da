"""docs/c-interface.md: its program compiles by its commands, runs, and gives the right class."""

import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
from modelgen import random_tflite
from repository import ROOT
from tools import require

from tvm_tiny.cli.app import run_app
from tvm_tiny.reference import load_reference

PAGE = (ROOT / "docs" / "c-interface.md").read_text(encoding="utf-8")
PROGRAM = re.search(r"```c\n(.*?)```", PAGE, re.DOTALL).group(1)
COMMANDS = re.findall(r"^    (tvm-tiny compile .*|cc .*|\./main)$", PAGE, re.MULTILINE)
STRICT = "-Wall -Wextra -Werror -pedantic "


def test_program_is_short():
    assert len(PROGRAM.splitlines()) <= 33


def test_program_runs_as_the_page_says(tmp_path, monkeypatch):
    require("gcc")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "main.c").write_text(PROGRAM)
    (tmp_path / "model.tflite").write_bytes(random_tflite.single_op_model("SOFTMAX", 1))
    compile_model, build, run = COMMANDS
    assert run_app(shlex.split(compile_model)[1:]) == 0
    subprocess.run(build.replace("cc ", "gcc " + STRICT, 1), shell=True, check=True)
    printed = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert printed == f"class {expected_class()}\n"


def expected_class() -> int:
    """The class that the integer reference finds for the program's input."""
    reference = load_reference(Path("model.tflite"))
    (info,) = reference.inputs
    x = np.arange(np.prod(info.shape)) % 100
    tensors = reference.run([x.astype(np.int8).reshape(info.shape)])
    return int(np.argmax(tensors[reference.outputs[0].name]))
