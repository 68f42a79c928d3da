"""The module and its samples in a west workspace: through a manifest, and as an extra module."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from stub_zephyr import MODULE

from tvm_tiny.micro import zephyr
from tvm_tiny.micro.zephyr import emulator
from tvm_tiny.micro.zephyr.tree import module_definitions, toolchain_environment

ROOT = MODULE.parents[1]
INFERENCE = MODULE / "samples" / "inference"


@pytest.fixture(params=["in the manifest", "not in the manifest"])
def workspace(request, tree, tmp_path) -> tuple[Path, bool]:
    """What `west init` and `west update` would leave, made of links."""
    pytest.importorskip("west")
    projects = {"zephyr": tree.base, "modules/hal/cmsis": cmsis(tree)}
    listed = request.param == "in the manifest"
    if listed:
        projects["modules/lib/tvm-tiny"] = ROOT
    lines = ["manifest:", "  projects:"]
    for path, source in projects.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).symlink_to(source)
        lines.append(f"    - {{name: {source.name}, path: {path}, url: https://example.com/x}}")
    (tmp_path / "manifest").mkdir()
    (tmp_path / "manifest" / "west.yml").write_text("\n".join(lines))
    (tmp_path / ".west").mkdir()
    settings = "[manifest]\npath = manifest\nfile = west.yml\n[zephyr]\nbase = zephyr\n"
    (tmp_path / ".west" / "config").write_text(settings)
    return tmp_path, listed


def cmsis(tree):
    return next(module for module in tree.modules if "cmsis" in module.name)


def test_the_module_is_found(workspace, tiny):
    folder, listed = workspace
    tree = zephyr.find_tree(str(folder / "zephyr"))
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
