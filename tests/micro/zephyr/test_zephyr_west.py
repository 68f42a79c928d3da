"""The module and its samples in a west workspace: through a manifest, and as an extra module."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from stub_zephyr import MODULE
from tools import require_package

from tvm_tiny.micro import zephyr
from tvm_tiny.micro.projects.project import create_project
from tvm_tiny.micro.zephyr import emulator
from tvm_tiny.micro.zephyr.tree import module_definitions, toolchain_environment

ROOT = MODULE.parents[1]
INFERENCE = MODULE / "samples" / "inference"


def write_workspace(tree, folder: Path, *, listed: bool) -> Path:
    """What `west init` and `west update` would leave, made of links; the tree in it."""
    require_package("west")
    projects = {"zephyr": tree.base, "modules/hal/cmsis": cmsis(tree)}
    if listed:
        projects["modules/lib/tvm-tiny"] = ROOT
    lines = ["manifest:", "  projects:"]
    for path, source in projects.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).symlink_to(source)
        lines.append(f"    - {{name: {source.name}, path: {path}, url: https://example.com/x}}")
    (folder / "manifest").mkdir()
    (folder / "manifest" / "west.yml").write_text("\n".join(lines))
    (folder / ".west").mkdir()
    settings = "[manifest]\npath = manifest\nfile = west.yml\n[zephyr]\nbase = zephyr\n"
    (folder / ".west" / "config").write_text(settings)
    return folder / "zephyr"


def cmsis(tree):
    return next(module for module in tree.modules if "cmsis" in module.name)


@pytest.mark.parametrize("listed", [True, False], ids=["in the manifest", "extra module"])
def test_the_module_is_found(tree, tiny, tmp_path, listed):
    folder = tmp_path
    tree = zephyr.find_tree(str(write_workspace(tree, folder, listed=listed)))
    assert tree.workspace
    definitions = module_definitions(tree, MODULE)
    extra = definitions.pop("ZEPHYR_EXTRA_MODULES")
    assert extra == str(MODULE)
    if not listed:
        definitions["ZEPHYR_EXTRA_MODULES"] = extra
    definitions |= {"BOARD": "mps2_an385", "MODEL": str(tiny)}
    command = ["cmake", "-GNinja", "-S", str(INFERENCE), "-B", str(folder / "build")]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*command, *(f"-D{name}={value}" for name, value in definitions.items())],
        env={
            **os.environ,
            **toolchain_environment("arm"),
            "PATH": path,
            "ZEPHYR_BASE": str(tree.base),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "CONFIG_TVM_TINY=y" in (folder / "build" / "zephyr" / ".config").read_text()
    assert "tvmgen_default" in (folder / "build" / "build.ninja").read_text()


def test_a_project_brings_its_own_module(tree, tiny, tmp_path):
    """Also where the manifest lists another."""
    base = write_workspace(tree, tmp_path, listed=True)
    options = {"board": "qemu_cortex_m3", "zephyr_base": str(base)}
    project = create_project(tmp_path / "p", [tiny], "zephyr", options)
    project.build()
    modules = (project.folder / "build" / "zephyr_modules.txt").read_text()
    assert f'"tvm_tiny":"{project.folder}/tvm_tiny/zephyr"' in modules
    assert modules.count("tvm_tiny") == 3  # a name and two folders


@pytest.mark.qemu
def test_the_inference_sample_runs(tree, tiny, tmp_path):
    board = zephyr.find_zephyr_board(tree.base, "qemu_cortex_m3")
    build = zephyr.build_application(tree, board, INFERENCE, tmp_path, MODULE, {"MODEL": str(tiny)})
    command = emulator.machine_command(build)
    said = b""
    with subprocess.Popen(
        [*command, "-serial", "stdio", "-display", "none", "-monitor", "none"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as process:
        timer = threading.Timer(60, process.kill)
        timer.start()
        assert process.stdout is not None
        for line in process.stdout:
            said += line
            if line.startswith(b"done"):
                break
        timer.cancel()
        process.kill()
    assert b"status 0\r\noutput " in said
    assert b"step 0: " in said
