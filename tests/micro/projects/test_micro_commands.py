"""`tvm-tiny micro` from archive to outputs, its JSON, and its errors of one line."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from tools import require

from tvm_tiny import toolchain
from tvm_tiny.cli.app import run_app
from tvm_tiny.micro.projects import PROJECT_TYPES


@pytest.fixture
def cli(capsys):
    """`cli("micro", ...)` -> (exit code, stdout, stderr)."""

    def run(*arguments):
        capsys.readouterr()
        code = run_app(["micro", *map(str, arguments)])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return run


@pytest.fixture
def made(cli, archives, tmp_path):
    require(toolchain.HOST_CC)
    assert cli("create-project", tmp_path / "p", *archives, "--template", "host")[0] == 0
    return tmp_path / "p"


def check(schema, text):
    document = json.loads(text)
    found = (files("tvm_tiny") / "schemas" / f"{schema}.json").read_text(encoding="utf-8")
    Draft202012Validator(json.loads(found)).validate(document)
    return document


def test_create_build_flash_run(cli, made, samples, tmp_path):
    code, out, _ = cli("build", made)
    assert code == 0
    assert "flash" in out
    assert cli("flash", made)[:2] == (0, f"flashed {made}\n")
    np.savez(tmp_path / "x.npz", np.concatenate(samples))
    path = tmp_path / "y.npz"
    code, out, _ = cli(
        "run", made, "--inputs", tmp_path / "x.npz", "--outputs", path, "--model", "two"
    )
    assert code == 0
    assert f"wrote {path}" in out
    with np.load(path) as outputs:
        (found,) = outputs.values()
    assert found.shape == (3, 5)


def test_outputs_are_those_of_the_run_command(cli, made, archives, tmp_path):
    options = ["--count", "4", "--seed", "3", "--outputs"]
    assert run_app(["run", str(archives[0]), *options, str(tmp_path / "a.npz")]) == 0
    assert cli("run", made, *options, tmp_path / "b.npz")[0] == 0
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_json_of_every_verb(cli, archives, tmp_path):
    require(toolchain.HOST_CC)
    folder = tmp_path / "p"
    code, out, _ = cli(
        "create", folder, *archives, "--template", "host", "--project-option", "profile=true",
        "--json",
    )  # fmt: skip
    assert code == 0
    assert check("micro-create-project", out)["models"] == ["one", "two"]
    image = check("micro-build", cli("build", folder, "--json")[1])
    assert Path(image["image"]).stat().st_size > image["flash_bytes"] > 0
    check("micro-flash", cli("flash", folder, "--json")[1])
    found = check("micro-run", cli("run", folder, "--json", "--count", "2")[1])
    assert found["samples"] == {"count": 2, "source": "random", "seed": 0}
    assert len(found["steps"]) > 1
    listed = check(
        "micro-list-options", cli("create", "--template", "host", "--list-options", "--json")[1]
    )
    assert [option["name"] for option in listed["options"]] == ["app", "profile"]


@pytest.mark.parametrize("template", PROJECT_TYPES)
def test_options_are_listed_without_a_model(cli, template):
    code, out, _ = cli("create-project", "--template", template, "--list-options")
    assert code == 0
    assert out.startswith("option ")


def test_force_builds_everything_again(cli, made):
    cli("build", made)
    (made / "build" / "stray").touch()
    assert cli("build", made)[0] == 0
    assert (made / "build" / "stray").exists()
    assert cli("build", made, "--force")[0] == 0
    assert not (made / "build" / "stray").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--template", "zefyr"], 6, "unknown template 'zefyr': did you mean 'zephyr'?"),
        (
            ["--template", "baremetal", "--board", "mps2_385"],
            6,
            "unknown board 'mps2_385': did you mean",
        ),
        (["--template", "host", "--board", "x"], 6, "unknown option 'board'"),
        (["--template", "host", "--project-option", "profile"], 6, "expected NAME=VALUE"),
        (["--template-dir", "none"], 6, "'none' has no Project API server"),
        ([], 2, "give either --template or --template-dir"),
    ],
)
def test_wrong_command_lines_end_in_one_line(cli, archive, tmp_path, arguments, code, message):
    found, out, err = cli("create-project", tmp_path / "p", archive, *arguments)
    assert (found, out) == (code, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "p").exists()


def test_other_errors_end_in_one_line(cli, made, tmp_path):
    for arguments, code, message in (
        (["build", tmp_path], 6, "is not a project"),
        (["run", made, "--model", "oen"], 6, "has no model 'oen': did you mean 'one'?"),
        (["run", made, "--inputs", tmp_path / "none.npz"], 6, "cannot be read"),
        (["run", made, "--outputs", tmp_path / "none" / "y.npz"], 6, "does not exist"),
        (["run", made, "--no-build"], 8, "is not built"),
        (["create-project"], 2, "give either"),
        (["create-project", "--template", "host"], 2, "missing arguments"),
    ):
        found, out, err = cli(*arguments)
        assert (found, out) == (code, ""), arguments
        assert message in err
        assert len(err.splitlines()) == 1


def test_run_hands_options_to_the_build_too(cli, archive, tmp_path):
    require(toolchain.HOST_CC)
    folder = tmp_path / "p"
    assert cli("create", folder, archive, "--template", "arduino")[0] == 0
    code, _, err = cli("run", folder, "--project-option", "target=host")
    assert (code, "no serial port" in err) == (6, True)
    assert (folder / "build" / "libmodels.a").is_file()
    code, _, err = cli("run", folder, "--project-option", "target=hots")
    assert (code, "did you mean 'host'" in err) == (6, True)


def test_templates_of_others_have_the_same_verbs(cli, archive, tmp_path):
    template = tmp_path / "template"
    template.mkdir()
    server = Path(__file__).with_name("foreign_template.py")
    shutil.copy(server, template / "microtvm_api_server.py")
    given = ["--template-dir", template]
    code, out, _ = cli("create-project", *given, "--list-options")
    assert code == 0
    assert "create-project (required)" in out
    option = ["--project-option", "project_type=host_driven"]
    assert cli("create-project", tmp_path / "p", archive, *given, *option)[0] == 0
    assert cli("build", tmp_path / "p")[0] == 0
    assert cli("flash", tmp_path / "p")[0] == 0
    code, _, err = cli("build", tmp_path / "p", "--project-option", "fault=raise")
    assert code == 8
    assert "ninja: build stopped" in err
