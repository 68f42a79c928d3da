"""`tvm-tiny tune` and `compile --tuning-log`."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from jsonschema import Draft202012Validator

import tvm_tiny
from tvm_tiny.archive.reader import open_archive
from tvm_tiny.cli.app import run_app
from tvm_tiny.tuning import read_log

pytestmark = pytest.mark.qemu


@pytest.fixture
def cli(capsys):
    """`cli("tune", path, ...)` -> exit code, stdout, stderr."""

    def run(*arguments):
        capsys.readouterr()
        code = run_app([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def kernels(path):
    with open_archive(path) as archive:
        found = archive.folder.glob("codegen/host/src/*.c")
        return "".join(source.read_text() for source in sorted(found))


def test_a_known_log_is_told_as_a_table_and_as_json(cli, model, tuned, tmp_path):
    path = tmp_path / "log.json"
    code, out, err = cli("tune", model, "--merge", tuned[0], "-o", path)
    assert (code, err) == (0, "")
    for word in ("layer", "default", "tuned", "chunk 4", "0 of them now", "wrote"):
        assert word in out
    assert path.read_bytes() == tuned[0].read_bytes()

    code, out, err = cli("tune", model, "-o", path, "--json")
    document = json.loads(out)
    text = (files("tvm_tiny") / "schemas" / "tune.json").read_text(encoding="utf-8")
    Draft202012Validator(json.loads(text)).validate(document)
    assert document["log"]["new"] == 0
    assert document["best_instructions"] < document["default_instructions"]


def test_a_log_decides_what_is_compiled(cli, model, module, tuned, tmp_path):
    path, by_hand = tmp_path / "m.tar", tmp_path / "by hand.tar"
    tuned_by = ("-o", path, "--target", "cortex-m4", "--tuning-log", tuned[0])
    texts = set()
    for arguments, known in (((), {}), (("--minimize", "sram"), {"scratch": 0})):
        assert cli("compile", model, *tuned_by, *arguments)[0] == 0
        choices = tuned[1].choices("dsp", **known)
        tvm_tiny.build(module, "cortex-m4", minimize=bool(known), choices=choices).save(by_hand)
        assert kernels(path) == kernels(by_hand)
        texts.add(kernels(path))
    assert len(texts) == 2


def test_a_budget_counts_more_than_speed(cli, model, tuned, tmp_path):
    path, tuned_by = tmp_path / "m.tar", ("--target", "cortex-m4", "--tuning-log", tuned[0])
    needed = json.loads(cli("compile", model, "-o", path, *tuned_by[:2], "--json")[1])
    budget = ("--sram", needed["arena_bytes"], "-o", path)
    code, out, err = cli("compile", model, *budget, *tuned_by, "--json")
    assert code == 0, err
    assert json.loads(out)["arena_bytes"] <= needed["arena_bytes"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--target", "cortex-m55"), "nothing for the instruction set 'mve' (it has dsp)"),
        (("--tuning-log", "none.json"), "tuning log 'none.json' cannot be read"),
    ],
)
def test_logs_that_do_not_fit_are_refused(cli, model, tuned, tmp_path, arguments, message):
    log = () if "--tuning-log" in arguments else ("--tuning-log", tuned[0])
    code, _, err = cli("compile", model, "-o", tmp_path / "m.tar", *log, *arguments)
    assert code == 6
    assert err.startswith("error: ")
    assert message in err
    assert len(err.splitlines()) == 1


def test_an_output_that_is_no_log_is_left_alone(cli, model, tmp_path):
    path = tmp_path / "notes.json"
    path.write_text("{}")
    code, _, err = cli("tune", model, "-o", path)
    assert (code, err.count("\n")) == (6, 1)
    assert "is no tuning log" in err
    assert path.read_text() == "{}"


def test_the_host_cannot_be_tuned_for(cli, model, tmp_path):
    code, _, err = cli("tune", model, "-o", tmp_path / "log.json", "--board", "host")
    assert code == 6
    assert "counts no instructions" in err


def test_other_kernels_are_warned_of(cli, model, tuned, tmp_path):
    document = json.loads(tuned[0].read_text())
    for entry in document["measurements"]:
        entry["kernels"] = "0" * 16
    old = tmp_path / "old.json"
    old.write_text(json.dumps(document))
    assert len(read_log(old)) == len(tuned[1])
    arguments = ("--target", "cortex-m4", "--tuning-log", old)
    code, _, err = cli("compile", model, "-o", tmp_path / "m.tar", *arguments)
    assert code == 0
    assert "warning: the tuning log is of other micro-kernels than these: tune again" in err
