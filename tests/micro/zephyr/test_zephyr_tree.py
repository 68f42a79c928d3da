"""A Zephyr tree that is there, half there, or not there; and what a build would miss."""

from __future__ import annotations

import shutil

import pytest

from tvm_tiny.errors import ToolchainError
from tvm_tiny.micro.zephyr import check_tools, find_tree, tree
from tvm_tiny.micro.zephyr.tree import module_definitions, toolchain_environment

VERSION = "VERSION_MAJOR = 3\nVERSION_MINOR = 4\nPATCHLEVEL = 1\nEXTRAVERSION = rc1\n"


@pytest.fixture
def base(tmp_path, monkeypatch):
    """A tree beside a CMSIS module, with all programs and packages."""
    for name in ("ZEPHYR_BASE", "ZEPHYR_TOOLCHAIN_VARIANT", "ZEPHYR_SDK_INSTALL_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(shutil, "which", lambda program: f"/usr/bin/{program}")
    monkeypatch.setattr(tree, "_has_sdk", lambda: False)
    monkeypatch.setattr(tree, "_has_package", lambda module: True)
    folder = tmp_path / "zephyr"
    package = folder / "share" / "zephyr-package" / "cmake"
    package.mkdir(parents=True)
    (package / "ZephyrConfig.cmake").write_text("")
    (folder / "VERSION").write_text(VERSION)
    cmsis = tmp_path / "modules" / "hal" / "cmsis"
    (cmsis / "zephyr").mkdir(parents=True)
    (cmsis / "zephyr" / "module.yml").write_text("build:\n  cmake: .\n")
    (cmsis / "CMSIS" / "Core" / "Include").mkdir(parents=True)
    (cmsis / "CMSIS" / "Core" / "Include" / "core_cm3.h").write_text("")
    return folder


def test_a_tree_is_found_with_version_and_modules(base):
    found = find_tree(str(base))
    assert found.version == (3, 4, 1)
    assert [module.name for module in found.modules] == ["cmsis"]
    check_tools(found, "arm")


def test_the_environment_names_the_tree(base, monkeypatch):
    monkeypatch.setenv("ZEPHYR_BASE", str(base))
    assert find_tree().base == base


def test_no_tree_at_all_is_one_line(base):
    with pytest.raises(ToolchainError, match=r"^no Zephyr tree: set ZEPHYR_BASE .*$"):
        find_tree()


def test_a_folder_that_is_no_tree_is_named(base):
    (base / "VERSION").unlink()
    with pytest.raises(ToolchainError, match=f"no Zephyr tree at {base}: expected VERSION"):
        find_tree(str(base))


def test_all_that_is_missing_is_in_one_line(base, monkeypatch):
    shutil.rmtree(base.parent / "modules")
    monkeypatch.setattr(shutil, "which", lambda program: None)
    monkeypatch.setattr(tree, "_has_package", lambda module: module != "pykwalify")
    with pytest.raises(ToolchainError) as raised:
        check_tools(find_tree(str(base)), "arm")
    message = str(raised.value)
    for missing in (
        "dtc (apt install device-tree-compiler)",
        "ninja (apt install ninja-build)",
        "pykwalify (pip install 'tvm-tiny[zephyr]')",
        "CMSIS headers",
        "a compiler for arm (apt install gcc-arm-none-eabi",
    ):
        assert missing in message
    assert "\n" not in message


def test_what_a_later_tree_imports_is_asked_for(base, monkeypatch):
    monkeypatch.setattr(tree, "_has_package", lambda module: module != "jsonschema")
    check_tools(find_tree(str(base)), "arm")
    (base / "scripts").mkdir()
    (base / "scripts" / "requirements-base.txt").write_text("pyelftools\njsonschema>=4\n")
    with pytest.raises(ToolchainError, match="Python packages jsonschema"):
        check_tools(find_tree(str(base)), "arm")


@pytest.mark.parametrize(
    ("arch", "variant"), [("arm", "gnuarmemb"), ("riscv32", "cross-compile"), ("xtensa", None)]
)
def test_the_compiler_of_this_machine_is_chosen(base, arch, variant):
    assert toolchain_environment(arch).get("ZEPHYR_TOOLCHAIN_VARIANT") == variant


def test_a_choice_of_the_user_stands(base, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("ZEPHYR_TOOLCHAIN_VARIANT", "zephyr")
    assert toolchain_environment("arm") == {}


def test_without_west_all_modules_are_named(base, tmp_path):
    found = module_definitions(find_tree(str(base)), tmp_path / "ours")
    assert found == {"ZEPHYR_MODULES": f"{base.parent}/modules/hal/cmsis;{tmp_path}/ours"}


def test_in_a_workspace_only_ours_is_added(base, tmp_path):
    (tmp_path / ".west").mkdir()
    (tmp_path / ".west" / "config").write_text("[manifest]\n")
    found = module_definitions(find_tree(str(base)), tmp_path / "ours")
    assert found == {"ZEPHYR_EXTRA_MODULES": f"{tmp_path}/ours"}


def test_a_module_of_a_later_zephyr_brings_its_own_build_files(base, tmp_path):
    cmsis = base.parent / "modules" / "hal" / "cmsis"
    (cmsis / "zephyr" / "module.yml").write_text("build:\n  cmake-ext: True\n  kconfig-ext: true\n")
    found = module_definitions(find_tree(str(base)), tmp_path)
    assert found["ZEPHYR_CMSIS_CMAKE_DIR"] == str(cmsis)
    assert "ZEPHYR_CMSIS_KCONFIG" in found
    (base / "modules" / "cmsis").mkdir(parents=True)  # a tree that has them
    assert "ZEPHYR_CMSIS_KCONFIG" not in module_definitions(find_tree(str(base)), tmp_path)
