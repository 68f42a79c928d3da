"""docs/session.md and docs/mlperf.md, word for word, and their tables against the code."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
from fake_archive import fake_archive
from modelgen.draw import Quant
from modelgen.tflite_builder import Builder
from repository import ROOT
from session_device import RUNTIME_C, STRICT
from tools import require

from tvm_tiny import toolchain
from tvm_tiny.cli.app import run_app
from tvm_tiny.micro.session import session_sources
from tvm_tiny.micro.session.mlperf import BENCHMARKS
from tvm_tiny.micro.session.requests import Kind, Status

DOCS = ROOT / "docs"
SESSION, MLPERF = (
    (DOCS / name).read_text(encoding="utf-8") for name in ("session.md", "mlperf.md")
)


def blocks(page: str) -> list[str]:
    found = re.findall(r"(?:^    .*\n|^\n(?=    ))+", page, re.MULTILINE)
    return [block.replace("\n    ", "\n").strip() for block in found]


def model(elements: int, outputs: int) -> bytes:
    """One fully connected layer."""
    random = np.random.default_rng(0)
    b = Builder()
    x = b.input((1, elements), Quant(0.02, -3))
    w = random.integers(-127, 128, (outputs, elements)).astype("int8")
    bias = random.integers(-500, 500, outputs).astype("int32")
    return b.finish([b.fully_connected(x, w, [0.01] * outputs, bias, Quant(0.1, -4))])


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("page", "shown"), [(SESSION, "Marks(stack="), (MLPERF, "m-name-dut-[tvm-tiny]")]
)
def test_commands_and_script_run_in_their_order(page, shown, tmp_path, monkeypatch, capsys):
    require(toolchain.ARM_GCC, toolchain.QEMU_ARM)
    monkeypatch.chdir(tmp_path)
    Path("model.tflite").write_bytes(model(490, 12))
    commands = [line for block in blocks(page) for line in block.splitlines()]
    for line in commands:
        if line.startswith("tvm-tiny "):
            assert run_app(shlex.split(line)[1:]) == 0, line
    (script,) = [block for block in blocks(page) if block.startswith("from ")]
    exec(compile(script, "page.md", "exec"), {})
    assert shown in capsys.readouterr().out


def test_the_firmware_of_the_page_compiles(tmp_path):
    require(toolchain.HOST_CC)
    archive = fake_archive(tmp_path / "model")
    for name, text in session_sources([archive]).items():
        (tmp_path / name).write_text(text)
    (source,) = [block for block in blocks(SESSION) if block.startswith("#include")]
    (tmp_path / "main.c").write_text(source + "\n")
    folders = (tmp_path, RUNTIME_C / "include", archive.folder / "codegen" / "host" / "include")
    includes = [f"-I{folder}" for folder in folders]
    for name in ("main.c", "tvm_tiny_models.c"):
        command = ["cc", *STRICT, *includes, "-c", str(tmp_path / name)]
        subprocess.run([*command, "-o", str(tmp_path / "x.o")], check=True)


def test_tables_are_those_of_the_code():
    for kind in Kind:
        assert f"| {kind.value} {kind.name} |" in SESSION
    for status in Status:
        assert f"| 0x{status.value:04x} |" in SESSION or status == Status.OK
    for name, benchmark in BENCHMARKS.items():
        assert f"| `{name}` | {benchmark.inputs:,} int8 |" in MLPERF
