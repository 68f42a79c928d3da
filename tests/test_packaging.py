"""The tree as it is installed: packages and data files."""

import re
from importlib import resources

import pytest
from pages.rooms import modules
from repository import ROOT


def test_every_package_is_listed():
    project = (ROOT / "pyproject.toml").read_text()
    listed = re.search(r"^packages = \[\n(.*?)^\]", project, re.M | re.S)
    found = {m.removesuffix(".__init__") for _, m in modules() if m.endswith(".__init__")}
    assert set(re.findall(r'"([^"]+)"', listed.group(1))) == found


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("tvm_tiny", "templates/driver.c.j2"),
        ("tvm_tiny", "py.typed"),
        ("tvm_tiny.runtime_c", "include/tvm_tiny/errors.h"),
        ("tvm_tiny.runtime_c", "boards/common/main.c"),
    ],
)
def test_data_files_are_found_as_package_data(package, name):
    assert (resources.files(package) / name).is_file()
