"""Every class of error: its exit code, its one line, and that no output is left behind."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from modelgen import random_onnx

from tvm_tiny import toolchain
from tvm_tiny.reference import TFLiteReference


@pytest.fixture
def folder(tmp_path):
    """An empty folder that must still be empty after the test."""
    path = tmp_path / "out"
    path.mkdir()
    yield path
    assert list(path.iterdir()) == []


def test_missing_model_is_3(cli, folder):
    result = cli("compile", folder / "none.tflite", "-o", folder / "m.tar")
    assert result.code == 3
    assert "No such file" in result.error


@pytest.mark.parametrize("command", ["compile", "analyze", "verify"])
def test_a_folder_for_a_model_is_3(cli, tmp_path, command):
    result = cli(command, tmp_path)
    assert result.code == 3
    assert "is a folder" in result.error


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.tflite", b"hello world, this is no model"),
        ("empty.tflite", b""),
        ("empty.onnx", b""),
        ("text.onnx", b"hello"),
        ("model.h5", b"\x89HDF\r\n\x1a\n"),
    ],
)
def test_what_is_no_model_is_3(cli, check, tmp_path, folder, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    result = cli("compile", path, "-o", folder / "m.tar", "--json")
    assert result.code == 3
    check("error", result.json)
    assert result.json["error"]["message"] == result.error


def test_truncated_model_is_3(cli, model, tmp_path, folder):
    path = tmp_path / "cut.tflite"
    path.write_bytes(model.read_bytes()[:-300])
    assert cli("compile", path, "-o", folder / "m.tar").code == 3


def test_float_model_is_4(cli, tmp_path, folder):
    path = tmp_path / "float.onnx"
    path.write_bytes(random_onnx.random_float_model(0))
    result = cli("compile", path, "-o", folder / "m.tar")
    assert result.code == 4
    assert "--calibrate" in result.error


def test_too_little_sram_is_5_and_says_what_fits(cli, model, folder):
    result = cli("compile", model, "-o", folder / "m.tar", "--sram", "64")
    assert result.code == 5
    assert "the budget is 64" in result.error
    assert "--sram 1K would fit" in result.error


def test_too_little_flash_for_code_is_5(cli, model, folder):
    constants = cli("analyze", model, "--json").json["totals"]["parameter_bytes"]
    result = cli("compile", model, "-o", folder / "m.tar", "--flash", constants + 8, "--json")
    assert result.code == 5
    assert result.json["error"]["class"] == "BudgetError"
    assert "would fit" in result.error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--target", "cortex-m5"), "did you mean 'cortex-m"),
        (("--name", "1 2"), "is not a C identifier"),
        (("--output-format", "dir", "-o", "/nonexistent/m"), "does not exist"),
        (("-o", "/"), "is a folder"),
        (("-o", "/proc/m.tar"), "cannot be written"),
    ],
)
def test_bad_option_values_are_6(cli, model, arguments, message):
    result = cli("compile", model, *arguments)
    assert result.code == 6
    assert message in result.error


def test_output_folder_with_files_is_6(cli, model, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    result = cli("compile", model, "-o", tmp_path, "--output-format", "dir")
    assert result.code == 6
    assert "not empty" in result.error
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_model_is_not_overwritten(cli, model):
    before = model.read_bytes()
    assert cli("compile", model, "-o", model).code == 6
    assert model.read_bytes() == before


def test_unknown_board_is_6(cli, archive):
    result = cli("run", archive, "--board", "mps2_an368")
    assert result.code == 6
    assert "did you mean 'mps2_an386'" in result.error


def _save(path, array, name="serving_default_input_0:0"):
    np.savez(path, **{name: array})
    return path


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 5, 6, 2), np.int8), "shape"),
        (np.zeros((0, 6, 6, 2), np.int8), "no samples"),
        (np.zeros((2, 6, 6, 2), np.float32), "quantize them"),
        (np.full((2, 6, 6, 2), 200, np.int64), "do not fit int8"),
    ],
)
def test_samples_that_do_not_fit_are_6(cli, archive, tmp_path, folder, array, message):
    samples = _save(tmp_path / "x.npz", array)
    result = cli("run", archive, "--inputs", samples, "--outputs", folder / "y.npz")
    assert result.code == 6
    assert message in result.error


def test_samples_without_the_input_are_6(cli, archive, tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros(1), b=np.zeros(1))
    result = cli("run", archive, "--inputs", tmp_path / "x.npz")
    assert result.code == 6
    assert "no array for input" in result.error


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04" + bytes(40)])
def test_damaged_samples_are_6(cli, model, tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    assert cli("verify", model, "--samples", tmp_path / "x.npz").code == 6


def _tar(path, *members):
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


@pytest.mark.parametrize(
    "name", ["/etc/evil", "../evil", "a/../../evil", "$(shell id).c", "a b.c", "a\n.c", "`id`"]
)
def test_archives_that_leave_their_folder_are_6(cli, tmp_path, name):
    result = cli("run", _tar(tmp_path / "m.tar", (name, b"x")))
    assert result.code == 6
    assert "refused" in result.error


def test_archives_with_links_are_6(cli, tmp_path):
    with tarfile.open(tmp_path / "m.tar", "w") as archive:
        member = tarfile.TarInfo("metadata.json")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    assert cli("run", tmp_path / "m.tar").code == 6


def _hostile(archive, folder, change) -> Path:
    """The archive as a folder, with its metadata changed; change: of the root object, in place."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    path = folder / "metadata.json"
    root = json.loads(path.read_text())
    change(root)
    path.write_text(json.dumps(root))
    return folder


def _rename(root, name) -> None:
    root["modules"] = {name: root["modules"]["default"]}
    root["model_name"] = name


def _own(root):
    return root["modules"]["default"]["tvm_tiny"]


@pytest.mark.parametrize(
    "change",
    [
        lambda root: _own(root)["sha256"].update({"codegen/host/src/$(shell id).c": ""}),
        lambda root: _own(root)["sha256"].update({"../outside.c": ""}),
        lambda root: _rename(root, "$(shell id)"),
        lambda root: _rename(root, "modèle"),
        lambda root: _own(root)["inputs"][0].update(c_name="x; system()"),
        lambda root: _own(root).update(pools=[{"c_name": "a", "used": 1, "name": "b\n#include"}]),
    ],
    ids=["source", "outside", "model", "letters", "input", "pool"],
)
def test_hostile_names_in_metadata_are_6(cli, archive, tmp_path, change):
    folder = _hostile(archive, tmp_path / "model", change)
    options = ("--template", "host")
    result = cli("micro", "create-project", tmp_path / "made", folder, *options)
    assert result.code == 6
    assert not (tmp_path / "made").exists()


def test_files_that_the_compiler_did_not_write_are_6(cli, archive, tmp_path):
    folder = _hostile(archive, tmp_path / "model", lambda root: None)
    (folder / "codegen" / "host" / "src" / "mine.c").write_text("int mine;")
    result = cli("run", folder)
    assert result.code == 6
    assert "'codegen/host/src/mine.c' is not one of the files that metadata.json" in result.error


@pytest.mark.parametrize("keep", [0, 1, 300, 700, 5000])
def test_truncated_archives_are_6(cli, archive, tmp_path, keep):
    path = tmp_path / "cut.tar"
    path.write_bytes(archive.read_bytes()[:keep])
    assert cli("run", path).code == 6


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "metadata.json cannot be read"),
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"version": 6}', "version 6, expected 7"),
        (b'{"version": 7, "model_name": "m", "modules": {}}', "not that of a tvm-tiny model"),
    ],
)
def test_archives_without_our_metadata_are_6(cli, tmp_path, metadata, message):
    members = [("other.txt", b"x")] if metadata is None else [("./metadata.json", metadata)]
    result = cli("run", _tar(tmp_path / "m.tar", *members))
    assert result.code == 6
    assert message in result.error


def test_missing_archive_is_6(cli, tmp_path):
    assert cli("run", tmp_path / "none.tar").code == 6


def test_incomplete_folder_is_6(cli, archive, tmp_path):
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    (tmp_path / "codegen" / "host" / "src" / "tvmgen_default.c").unlink()
    result = cli("run", tmp_path)
    assert result.code == 6
    assert "is missing" in result.error


def test_missing_compiler_is_7(cli, archive, monkeypatch, folder):
    monkeypatch.setenv("PATH", "")
    result = cli("run", archive, "--board", "mps2_an386", "--outputs", folder / "y.npz")
    assert result.code == 7
    assert "apt install" in result.error


def test_missing_compiler_leaves_code_unknown(cli, check, model, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    result = cli("compile", model, "-o", tmp_path / "m.tar", "--target", "cortex-m4", "--json")
    assert result.code == 0
    check("compile", result.json)
    assert result.json["code_bytes"] is result.json["stack_bytes"] is None
    assert toolchain.PACKAGES[toolchain.ARM_GCC] in result.json["warnings"][0]


def test_missing_extras_are_7(cli, monkeypatch):
    monkeypatch.setattr("tvm_tiny.demo.demo._EXTRAS", {"no_such_module": "no-such-package"})
    result = cli("demo")
    assert result.code == 7
    assert "pip install 'tvm-tiny[demo,calibrate]'" in result.error


def test_sources_that_do_not_build_are_8(cli, archive, tmp_path):
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    (tmp_path / "codegen" / "host" / "src" / "tvmgen_default.c").write_text("#error broken\n")
    result = cli("run", tmp_path)
    assert result.code == 8
    assert "broken" in result.error


def test_differences_are_9_and_the_first_is_named(cli, check, model, monkeypatch):
    plain = TFLiteReference.run

    def wrong(self, inputs):
        tensors = plain(self, inputs)
        name = next(name for name in tensors if "conv" in name)
        changed = tensors[name].copy()
        changed[0, 1, 2, 3] ^= 1
        return {**tensors, name: changed}

    monkeypatch.setattr(TFLiteReference, "run", wrong)
    result = cli("verify", model, "--count", 1, "--json")
    assert result.code == 9
    check("verify", result.json)
    (difference,) = result.json["differences"]
    assert difference["first_index"] == [0, 1, 2, 3]
    assert (difference["count"], difference["max_difference"]) == (1, 1)
    assert result.json["equal"] is False
    assert result.json["error"]["message"] == result.error
    text = cli("verify", model, "--count", 1)
    assert text.code == 9
    assert "qconv2d" in text.error
    assert "1 of 36" in text.out


def test_nothing_to_compare_is_9(cli, model, monkeypatch):
    monkeypatch.setattr(TFLiteReference, "run", lambda self, inputs: {})
    result = cli("verify", model)
    assert result.code == 9
    assert "nothing to compare" in result.error


@pytest.mark.parametrize(
    "arguments",
    [
        ("compile",),
        ("compile", "m.tflite", "--sram", "12Q"),
        ("compile", "m.tflite", "--sram", "0"),
        ("compile", "m.tflite", "--no-such-option"),
        ("explode",),
        ("run", "m.tar", "--count", "0"),
    ],
)
def test_wrong_command_lines_are_2(cli, arguments):
    result = cli(*arguments)
    assert result.code == 2
    assert "--help" in result.error


def test_wrong_command_line_with_json(cli, check):
    result = cli("compile", "--json")
    assert result.code == 2
    check("error", result.json)


def test_a_fault_of_ours_is_one_line_and_70(cli, check, model, monkeypatch, folder):
    def fail(*arguments, **options):
        raise RuntimeError("first line\nsecond line")

    # Not by its dotted name: the package has a function of the name of this module.
    monkeypatch.setattr(sys.modules["tvm_tiny.build"], "build", fail)
    result = cli("compile", model, "-o", folder / "m.tar", "--json")
    assert result.code == 70
    check("error", result.json)
    assert "TVM_TINY_DEBUG=1" in result.error
    monkeypatch.setenv("TVM_TINY_DEBUG", "1")
    with pytest.raises(RuntimeError):
        cli("compile", model, "-o", folder / "m.tar")


def test_an_interrupt_is_130_and_leaves_nothing(cli, model, monkeypatch, folder):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("tvm_tiny.analysis.measure", interrupt)
    result = cli("compile", model, "-o", folder / "m.tar")
    assert (result.code, result.error) == (130, "interrupted")


def test_errors_in_json_are_one_object(cli, tmp_path):
    result = cli("analyze", tmp_path / "a\nb.tflite", "--json")
    assert json.loads(result.out)["error"]["exit_code"] == 3
    assert len(result.err.splitlines()) == 1
