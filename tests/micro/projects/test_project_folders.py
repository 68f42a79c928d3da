"""Projects are made whole or not at all, and remember how they were made."""

from __future__ import annotations

import io
import json
import shutil
import tarfile

import pytest

from tvm_tiny.archive.reader import open_archive
from tvm_tiny.errors import DataError
from tvm_tiny.micro.projects import PROJECT_TYPES, create_project, find_project_type, open_project
from tvm_tiny.micro.projects.base import METHODS


@pytest.fixture
def parent(tmp_path):
    path = tmp_path / "parent"
    path.mkdir()
    return path


def changed_metadata(archive, target, **members):
    """A copy of an archive with other members in its metadata.json."""
    with tarfile.open(archive) as old, tarfile.open(target, "w") as new:
        for member in old:
            data = old.extractfile(member).read()
            if member.name == "./metadata.json":
                data = json.dumps({**json.loads(data), **members}).encode()
                member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return target


@pytest.mark.parametrize("name", PROJECT_TYPES)
def test_every_type_describes_its_options(name):
    found = find_project_type(name)
    assert found.name == name
    for option in found.options():
        assert option.type in {"str", "int", "bool"}
        assert option.help.endswith(".")
        methods = {*option.required_in, *option.optional_in}
        assert methods
        assert methods <= set(METHODS)


def test_a_project_holds_the_model_and_opens_again(archive, parent):
    made = create_project(parent / "p", [archive], "host", {"profile": "true"})
    assert [path.name for path in parent.iterdir()] == ["p"]
    again = open_project(parent / "p")
    assert again.models == ("one",)
    assert dict(again.values) == {"app": "session", "profile": True}
    assert made.type is again.type
    with open_archive(parent / "p" / "model.tar") as model:
        assert model.info.name == "one"
        assert model.changed == ()
    assert not any("parent" in text for text in texts(parent / "p"))


def texts(folder):
    return [path.read_text() for path in folder.iterdir() if path.suffix in {".json", ".py", ""}
            and path.is_file()]  # fmt: skip


def test_a_compiled_folder_does_as_well_as_an_archive(archive, parent, tmp_path):
    with open_archive(archive) as model:
        shutil.copytree(model.folder, tmp_path / "folder")
    create_project(parent / "a", [archive], "host", {})
    create_project(parent / "b", [tmp_path / "folder"], "host", {})
    assert (parent / "a" / "model.tar").read_bytes() == (parent / "b" / "model.tar").read_bytes()


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("hots", {}, "unknown template 'hots': did you mean 'host'?"),
        ("host", {"profle": "true"}, "did you mean 'profile'?"),
        ("host", {"profile": "maybe"}, "expected true or false"),
        ("baremetal", {"board": "mps2_an358"}, "unknown board 'mps2_an358': did you mean"),
        ("baremetal", {}, "needs option 'board'"),
        ("cmsis-pack", {"vendor": "a b"}, "only letters"),
        ("arduino", {"port": "/dev/x"}, "is for flash, open_transport"),
    ],
)
def test_wrong_options_leave_nothing_behind(archive, parent, kind, options, message):
    with pytest.raises(DataError, match=message.replace("?", r"\?")):
        create_project(parent / "p", [archive], kind, options)
    assert list(parent.iterdir()) == []


def test_wrong_archives_leave_nothing_behind(archive, parent, tmp_path):
    old = changed_metadata(archive, tmp_path / "old.tar", version=3)
    with pytest.raises(DataError, match="version 3, expected 7; compile the model again"):
        create_project(parent / "p", [old], "host", {})
    with pytest.raises(DataError, match="another model is named 'one'"):
        create_project(parent / "p", [archive, archive], "host", {})
    with pytest.raises(DataError, match="cannot be read"):
        create_project(parent / "p", [tmp_path / "none.tar"], "host", {})
    with pytest.raises(DataError, match="does not exist"):
        create_project(parent / "none" / "p", [archive], "host", {})
    assert list(parent.iterdir()) == []


def test_a_failing_generator_leaves_nothing_behind(archive, parent, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(find_project_type("host"), "generate", fail)
    with pytest.raises(OSError, match="No space"):
        create_project(parent / "p", [archive], "host", {})
    assert list(parent.iterdir()) == []


def test_what_exists_is_kept_unless_forced(archive, parent):
    create_project(parent / "p", [archive], "host", {})
    with pytest.raises(DataError, match="exists already"):
        create_project(parent / "p", [archive], "host", {})
    (parent / "p" / "mine.txt").touch()
    create_project(parent / "p", [archive], "host", {}, force=True)
    assert not (parent / "p" / "mine.txt").exists()
    assert [path.name for path in parent.iterdir()] == ["p"]


def test_force_replaces_nothing_but_projects(archive, parent):
    (parent / "p").mkdir()
    (parent / "p" / "thesis.tex").touch()
    with pytest.raises(DataError, match="holds no project of ours"):
        create_project(parent / "p", [archive], "host", {}, force=True)
    assert (parent / "p" / "thesis.tex").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [("{}", "damaged"), ("nonsense", "damaged"), ('{"format": 9}', "damaged"), (None, "format 9")],
)
def test_damaged_projects_are_told_apart(archive, parent, text, message):
    create_project(parent / "p", [archive], "host", {})
    path = parent / "p" / "project.json"
    old = json.loads(path.read_text())
    path.write_text(json.dumps({**old, "format": 9}) if text is None else text)
    with pytest.raises(DataError, match=message):
        open_project(parent / "p")


def test_no_project_is_one_line(parent):
    with pytest.raises(DataError, match="is not a project"):
        open_project(parent)
