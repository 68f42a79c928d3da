"""Templates and projects of others, driven through their servers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tvm_tiny.errors import BoardError, DataError, TransportError
from tvm_tiny.micro.project_api import ProjectClient, create_from_template
from tvm_tiny.micro.project_api.foreign import find_project

SERVER = Path(__file__).with_name("foreign_template.py")
GIVEN = {"project_type": "host_driven"}


@pytest.fixture
def template(tmp_path):
    folder = tmp_path / "template"
    folder.mkdir()
    shutil.copy(SERVER, folder / "microtvm_api_server.py")
    return folder


@pytest.fixture
def project(template, archive, tmp_path):
    return create_from_template(template, tmp_path / "p", archive, GIVEN)


def test_all_verbs_reach_the_server(project):
    found = find_project(project.folder)
    assert found == project
    found.build()
    assert (project.folder / "build").is_dir()
    found.flash()
    assert [archive.info.name for archive in found.archives()] == ["one"]


def test_bytes_go_through_its_transport(project):
    line = project.open_transport()
    data = bytes(range(256)) * 20
    line.write(data, 5.0)
    found = b""
    while len(found) < len(data):
        found += line.read(4096, 5.0)
    assert found == data
    assert line.read(1, 0.05) == b""
    line.write(b"close", 5.0)
    with pytest.raises(TransportError, match="closed"):
        line.read(1, 5.0)
    line.close()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "needs option 'project_type' .one of host_driven"),
        ({"project_type": "x"}, "unknown value of option 'project_type'"),
        ({"projct_type": "x"}, "did you mean 'project_type'"),
    ],
)
def test_options_are_checked_before_anything_is_made(template, archive, tmp_path, given, message):
    with pytest.raises(DataError, match=message):
        create_from_template(template, tmp_path / "p", archive, given)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("raise", "RuntimeError: ninja: build stopped"),
        ("die", "ended with status 1: no licence for this compiler"),
        ("babble", "answers with no valid reply: 'Building...'"),
    ],
)
def test_what_a_server_does_wrong_is_one_line(template, archive, tmp_path, fault, message):
    with pytest.raises(BoardError, match=message) as caught:
        create_from_template(template, tmp_path / "p", archive, {**GIVEN, "fault": fault})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "p").exists()
    made = create_from_template(template, tmp_path / "p", archive, GIVEN)
    with pytest.raises(BoardError, match=message):
        made.build({"fault": fault})


def test_a_silent_server_is_not_waited_for(tmp_path):
    (tmp_path / "microtvm_api_server.py").write_text("import time\ntime.sleep(60)\n")
    client = ProjectClient(tmp_path)
    with pytest.raises(BoardError, match=r"no answer .* in 0.3 s"):
        client.call("build", 0.3, options={})
    client._process.kill()
    client.close()


def test_a_launch_script_chooses_the_python(tmp_path):
    script = tmp_path / "launch_microtvm_api_server.sh"
    script.write_text('#!/bin/sh\necho "launched $1" >&2\nexit 3\n')
    script.chmod(0o755)
    with ProjectClient(tmp_path) as client, pytest.raises(BoardError, match=r"3: launched /.*\.py"):
        client.info()


def test_another_protocol_version_is_refused(template):
    path = template / "microtvm_api_server.py"
    path.write_text(path.read_text().replace('"protocol_version": 1', '"protocol_version": 2'))
    with ProjectClient(template) as client, pytest.raises(DataError, match="version 2"):
        client.info()


def test_a_replaced_project_comes_back_if_the_new_one_fails(template, archive, project):
    (project.folder / "mine").touch()
    with pytest.raises(BoardError):
        create_from_template(
            template, project.folder, archive, {**GIVEN, "fault": "raise"}, force=True
        )
    assert (project.folder / "mine").exists()
    assert {path.name for path in project.folder.parent.iterdir()} == {"template", "p"}


def test_folders_are_told_apart(template, archive, tmp_path, project):
    with pytest.raises(DataError, match="is a template"):
        find_project(template).build()
    with pytest.raises(DataError, match="is a project, not a template"):
        create_from_template(project.folder, tmp_path / "q", archive, GIVEN)
    with pytest.raises(DataError, match="has no Project API server"):
        create_from_template(tmp_path, tmp_path / "q", archive, GIVEN)
    with pytest.raises(DataError, match="is not a project"):
        find_project(tmp_path)
    with pytest.raises(DataError, match="exists already"):
        create_from_template(template, project.folder, archive, GIVEN)
    (project.folder / "old").touch()
    create_from_template(template, project.folder, archive, GIVEN, force=True)
    assert not (project.folder / "old").exists()
