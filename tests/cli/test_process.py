"""What only a process of its own shows: descriptors, imports, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tvm_tiny.cli.options import parse_size
from tvm_tiny.cli.streams import native_output_hidden

MAIN = "import sys; from tvm_tiny.cli import main; sys.exit(main())"

# The package without its __init__, which imports TVM for `relax.get_pipeline`.
IMPORT_ALONE = """
import importlib.util, sys, types
package = types.ModuleType("tvm_tiny")
package.__path__ = list(importlib.util.find_spec("tvm_tiny").submodule_search_locations)
sys.modules["tvm_tiny"] = package
import tvm_tiny.cli
tvm_tiny.cli.main(["compile", "--help"])
sys.exit(bool({"tvm", "numpy", "onnx"} & set(sys.modules)))
"""


def _python(code, *arguments, **options):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_help_needs_no_tvm():
    done = _python(IMPORT_ALONE)
    assert done.returncode == 0, done.stderr
    assert "--sram" in done.stdout


def test_json_is_all_there_is_on_stdout(model, tmp_path):
    done = _python(MAIN, "compile", model, "-o", tmp_path / "m.tar", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["command"] == "compile"
    assert done.stderr == ""


def test_native_output_is_hidden(capfd):
    with native_output_hidden():
        os.write(1, b"from C\n")
        os.write(2, b"from C\n")
        print("from Python")
        print("error: from Python", file=sys.stderr)
    os.write(1, b"afterwards\n")
    captured = capfd.readouterr()
    assert captured.out == "from Python\nafterwards\n"
    assert captured.err == "error: from Python\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_a_run_without_leftovers(model, tmp_path, number, code):
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    out.mkdir()
    scratch.mkdir()
    # Slow enough to be interrupted in the middle of a stage.
    slow = (
        "import sys, time, tvm_tiny.analysis as a\n"
        "def measure(model):\n    import tempfile\n"
        "    with tempfile.TemporaryDirectory():\n        print('here', flush=True)\n"
        "        time.sleep(60)\n"
        f"a.measure = measure\n{MAIN}"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", slow, "compile", str(model), "-o", str(out / "m.tar")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(scratch)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in err
    assert list(out.iterdir()) == []
    assert list(scratch.iterdir()) == []


def _onto(target, *arguments):
    """Run with stdout leading to a descriptor that cannot be written."""
    return _python(f"import os; os.dup2({target}, 1)\n{MAIN}", *arguments)


def test_a_reader_that_went_away_is_nothing_to_talk_about():
    done = _onto("(lambda ends: os.close(ends[0]) or ends[1])(os.pipe())", "--version")
    assert done.stderr == ""


def test_a_full_disk_is_one_line():
    done = _onto("os.open('/dev/full', os.O_WRONLY)", "--version")
    assert done.returncode == 1
    assert done.stderr.startswith("error: No space left on device")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("65536", 65536),
        ("256K", 262144),
        ("256k", 262144),
        ("64KiB", 65536),
        ("1M", 1 << 20),
        ("2 MiB", 2 << 20),
        ("0x10000", 65536),
    ],
)
def test_sizes(text, size):
    assert parse_size(text) == size
