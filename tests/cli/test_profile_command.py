"""`tvm-tiny profile`, and its figures in reports."""

from __future__ import annotations

import json
import tarfile

import numpy as np
import pytest
from tools import require

import tvm_tiny
from tvm_tiny import toolchain

pytestmark = pytest.mark.qemu


@pytest.fixture(scope="module", autouse=True)
def _tools():
    require(toolchain.HOST_CC, toolchain.ARM_GCC, toolchain.QEMU_ARM)


@pytest.fixture(scope="module")
def m4(model):
    """The tiny model compiled for the board's core."""
    path = model.with_name("m4.tar")
    tvm_tiny.build(tvm_tiny.from_file(model), "cortex-m4").save(path)
    return path


@pytest.fixture(scope="module")
def profile(m4, model):
    """A profile of it."""
    from tvm_tiny.cli.app import run_app

    path = model.with_name("profile.json")
    assert run_app(["profile", str(m4), "--json", str(path)]) == 0
    return path


def test_layers_and_functions_are_listed(cli, m4):
    result = cli("profile", m4)
    assert (result.code, result.err) == (0, "")
    for word in ("qconv2d", "qdense", "driver", "total", "tvmgen_default_run", "loads %", "share"):
        assert word in result.out
    assert "an estimate" in result.out


def test_the_file_is_what_was_counted(cli, check, m4, profile):
    document = json.loads(profile.read_text())
    check("profile", document)
    run = cli("run", m4, "--board", "mps2_an386", "--json").json
    assert document["board_instructions"] == run["instructions"]["min"]
    assert document["stack_bytes"] == run["stack_bytes"]
    assert [layer["macs"] for layer in document["layers"]] == [3 * 3 * 4 * 18, 36 * 3]
    parts = [*document["layers"], document["driver"]]
    for key in ("loads", "stores", "multiplies", "branches", "other"):
        assert sum(part["mix"][key] for part in parts) == document["total"]["mix"][key]
    assert document["total"]["mix"]["multiplies"] >= document["layers"][1]["macs"]
    assert document["warnings"] == []


def test_equal_profiles_are_equal_files(cli, m4, profile, tmp_path):
    again = tmp_path / "again.json"
    assert cli("profile", m4, "--json", again).code == 0
    assert again.read_bytes() == profile.read_bytes()
    assert cli("profile", m4, "--json", "-").json == json.loads(profile.read_text())


def test_cycles_are_estimated_for_cores_that_run_the_code(cli, m4):
    document = cli("profile", m4, "--board", "mps2_an505", "--json", "-").json
    assert document["total"]["estimated_cycles"] is None
    assert any("compiled for cortex-m4" in warning for warning in document["warnings"])


def test_a_sample_of_ones_own(cli, check, m4, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((6, 6, 2), np.int8))
    document = cli("profile", m4, "--inputs", tmp_path / "x.npy", "--json", "-").json
    check("profile", document)
    assert document["sample"] == {"source": "file", "seed": None}


def test_a_folder_whose_files_changed(cli, m4, tmp_path):
    with tarfile.open(m4) as tar:
        tar.extractall(tmp_path, filter="data")
    source = tmp_path / "codegen" / "host" / "src" / "tvmgen_default.c"
    source.write_text(source.read_text() + "\n/* mine */\n")
    result = cli("profile", tmp_path)
    assert result.code == 0
    assert "tvmgen_default.c" in result.err


def test_without_a_compiler_the_timer_counts_and_one_line_says_so(cli, check, m4, monkeypatch):
    from tvm_tiny.micro.profiling.plugin import PluginMissingError

    def missing(scratch):
        raise PluginMissingError("cc not found: install it")

    monkeypatch.setattr("tvm_tiny.micro.profiling.profile.build_plugin", missing)
    document = cli("profile", m4, "--json", "-").json
    check("profile", document)
    assert document["counter"] == "timer"
    result = cli("profile", m4)
    assert result.err.count("\n") == 1
    assert "cc not found" in result.err
    assert "the board's timer" in result.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--board", "host"), 6, "choose an emulated board"),
        (("--board", "mps2_an368"), 6, "did you mean"),
        (("--json", "/nonexistent/p.json"), 6, "does not exist"),
        (("--timeout", "0"), 2, "--timeout"),
    ],
)
def test_wrong_options_are_one_line(cli, m4, arguments, code, message):
    result = cli("profile", m4, *arguments)
    assert result.code == code
    assert message in result.error


def test_several_samples_are_6(cli, m4, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 6, 6, 2), np.int8))
    result = cli("profile", m4, "--inputs", tmp_path / "x.npy")
    assert result.code == 6
    assert "a profile is of one" in result.error


def test_a_report_shows_the_instructions_of_a_profile(cli, check, model, profile, tmp_path):
    page = tmp_path / "report.html"
    arguments = ("--target", "cortex-m4", "--no-pareto", "--profile", profile)
    assert cli("report", model, *arguments, "-o", page).code == 0
    document = cli("report", model, *arguments, "--json").json
    check("report", document)
    layers = json.loads(profile.read_text())["layers"]
    assert document["instructions"]["counts"] == [layer["instructions"] for layer in layers]
    text = page.read_text()
    for layer in layers:
        assert f'<td class="n">{layer["instructions"]:,}</td>' in text
        assert f'<td class="n">{layer["instructions_per_mac"]:.2f}</td>' in text
    assert "counted by" in text


def test_a_report_without_a_profile_has_no_such_columns(cli, check, model, tmp_path):
    page = tmp_path / "report.html"
    document = cli("report", model, "--no-pareto", "-o", page, "--json").json
    check("report", document)
    assert document["instructions"] is None
    assert "a MAC</th>" not in page.read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "is not what 'tvm-tiny profile"),
        ('{"command": "run"}', "is not what 'tvm-tiny profile"),
        (
            '{"command": "profile", "board": "b", "counter": "timer", "layers": [{"op": 1}]}',
            "is not what 'tvm-tiny profile",
        ),
        ('{"command": "profile", "board": "b", "counter": "timer", "layers": []}', "of 0 layers"),
    ],
)
def test_what_is_no_profile_is_6(cli, model, tmp_path, text, message):
    path = tmp_path / "p.json"
    path.write_text(text)
    result = cli("report", model, "--no-pareto", "--profile", path)
    assert result.code == 6
    assert message in result.error


def test_a_profile_of_another_model_is_6(cli, model, profile, tmp_path):
    document = json.loads(profile.read_text())
    document["layers"][1]["tensor"] = "another"
    path = tmp_path / "p.json"
    path.write_text(json.dumps(document))
    result = cli("report", model, "--no-pareto", "--profile", path)
    assert result.code == 6
    assert "layer 1 is qdense 'another'" in result.error


def test_help(cli):
    result = cli("profile", "--help")
    assert result.code == 0
    assert "--json" in result.out
