"""Missing tools and files: a skipped test, or in CI a failed one."""

import pytest
from repository import ROOT
from tools import IN_CI, missing, require, require_package


@pytest.fixture(params=[False, True], ids=["elsewhere", "ci"])
def ci(request, monkeypatch):
    monkeypatch.delenv("TVM_TINY_CI", raising=False)
    if request.param:
        monkeypatch.setenv("TVM_TINY_CI", "1")
    return request.param


def test_only_what_ci_is_meant_to_have_fails_there(ci):
    outcome = pytest.fail.Exception if ci else pytest.skip.Exception
    with pytest.raises(outcome, match="reason"):
        missing("clang", "reason")
    with pytest.raises(pytest.skip.Exception, match="reason"):
        missing("zephyr", "reason")


def test_missing_programs_and_packages_are_named(monkeypatch):
    monkeypatch.delenv("TVM_TINY_CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-compiler"):
        require("no-such-compiler")
    with pytest.raises(pytest.skip.Exception, match="no_such_package"):
        require_package("no_such_package.part")
    assert require_package("json").__name__ == "json"


def test_ci_installs_what_the_list_says():
    files = ("scripts/setup", ".ci/run", "pyproject.toml")
    installs = "".join((ROOT / name).read_text(encoding="utf-8") for name in files)
    spelled = {"PIL": "pillow", "sklearn": "scikit-learn", "serial": "pyserial", "cc": "need cc"}
    parts = {"arm-none-eabi-objdump", "the shared material"}  # of the compiler; beside the tree
    assert [name for name in IN_CI - parts if spelled.get(name, name) not in installs] == []
