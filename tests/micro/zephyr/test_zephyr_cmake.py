"""The CMake functions, with the host's compiler and a stub of Zephyr."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile

import numpy as np
import pytest
from stub_zephyr import MODULE, build
from tools import require
from zephyr_model import INPUT_SHAPE, write_tiny

from tvm_tiny import toolchain
from tvm_tiny.archive.reader import open_archive
from tvm_tiny.micro.firmware import build_firmware

INFERENCE = MODULE / "samples" / "inference"
APP = """\
cmake_minimum_required(VERSION 3.20.0)
project(app C)
find_package(Zephyr REQUIRED)
file(WRITE ${CMAKE_BINARY_DIR}/main.c "int main(void) { return 0; }")
target_sources(app PRIVATE ${CMAKE_BINARY_DIR}/main.c)
"""


@pytest.fixture(autouse=True)
def tools():
    require(toolchain.HOST_CC)
    require("cmake")


@pytest.fixture
def unpacked(tiny, tmp_path):
    """The tiny model as a folder that a test may change."""
    with open_archive(tiny) as archive:
        return shutil.copytree(archive.folder, tmp_path / "model")


def configure(tmp_path, *calls, conf="CONFIG_TVM_TINY=y\n"):
    """An application whose CMakeLists.txt makes these calls."""
    source = tmp_path / "app"
    source.mkdir()
    (source / "CMakeLists.txt").write_text(APP + "\n".join(calls))
    (source / "prj.conf").write_text(conf)
    return build(source, tmp_path / "out", source / "prj.conf")


def test_the_inference_sample_gives_the_models_output(tiny, tmp_path):
    built = build(INFERENCE, tmp_path / "out", INFERENCE / "prj.conf", MODEL=tiny)
    assert built.returncode == 0, built.output
    said = subprocess.run([built.program], capture_output=True, text=True, check=True).stdout
    with open_archive(tiny) as archive:
        zeros = np.zeros(INPUT_SHAPE, np.int8)
        result = build_firmware(archive.folder, "host", tmp_path).run([[zeros]])
    wanted = result.outputs[0][0].tobytes().hex(" ")
    assert said.splitlines() == ["status 0", f"output {wanted}", "step 0: 1000 cycles", "done"]


def test_a_changed_archive_is_built_again(tmp_path):
    model = write_tiny(tmp_path)
    first = build(INFERENCE, tmp_path / "out", INFERENCE / "prj.conf", MODEL=model)
    with open_archive(model) as archive:
        folder = shutil.copytree(archive.folder, tmp_path / "changed")
    source = folder / "codegen" / "host" / "src" / "tvmgen_default.c"
    source.write_text(source.read_text() + "int tvm_tiny_changed = 1;\n")
    shutil.make_archive(str(tmp_path / "default"), "tar", folder)
    command = ["cmake", "--build", str(first.program.parent)]
    subprocess.run(command, check=True, capture_output=True)
    assert b"tvm_tiny_changed" in first.program.read_bytes()


def test_models_of_different_names_may_be_added(tiny, tmp_path):
    other = write_tiny(tmp_path, "other")
    calls = [f"tvm_tiny_add_model(app MODEL {path})" for path in (tiny, other)]
    built = configure(tmp_path, *calls)
    assert built.returncode == 0, built.output


@pytest.mark.parametrize(
    ("option", "flags"),
    [
        ("OPTIMIZE_SPEED", ["-Os", "-O2"]),
        ("OPTIMIZE_SIZE", ["-Os", "-Os"]),
        ("OPTIMIZE_AS_APPLICATION", ["-Os"]),
    ],
)
def test_models_are_optimized_as_kconfig_says(tiny, tmp_path, option, flags):
    built = configure(
        tmp_path,
        "set(CMAKE_EXPORT_COMPILE_COMMANDS ON)",
        f"tvm_tiny_add_model(app MODEL {tiny})",
        conf=f"CONFIG_TVM_TINY=y\nCONFIG_TVM_TINY_{option}=y\n",
    )
    commands = json.loads((built.program.parent / "compile_commands.json").read_text())
    (command,) = [c["command"] for c in commands if c["file"].endswith("tvmgen_default.c")]
    assert [word for word in command.split() if word.startswith("-O")] == flags


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("tvm_tiny_add_model(app)", "expected tvm_tiny_add_model(<target> MODEL <model.tar>)"),
        ("tvm_tiny_add_model(nothing MODEL {model})", "expected tvm_tiny_add_model(<target>"),
        ("tvm_tiny_add_model(app MODEL /no.tar)", "no model at /no.tar; write one with"),
        ("tvm_tiny_add_model(app MODEL {here}/prj.conf)", "prj.conf is not an archive"),
        ("tvm_tiny_add_model(app MODEL {here})", "metadata.json is missing"),
        (
            "tvm_tiny_add_model(app MODEL {model})\ntvm_tiny_add_model(app MODEL {model})",
            "two models are called 'default'",
        ),
        ("tvm_tiny_add_session(app)", "CONFIG_TVM_TINY_SESSION is not set"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(tiny, tmp_path, call, message):
    call = call.format(model=tiny, here=tmp_path / "app")
    built = configure(tmp_path, call)
    assert built.returncode != 0
    assert message in built.message


def test_without_the_option_the_function_says_so(tiny, tmp_path):
    built = configure(tmp_path, f"tvm_tiny_add_model(app MODEL {tiny})", conf="\n")
    assert "CONFIG_TVM_TINY is not set; add CONFIG_TVM_TINY=y to prj.conf" in built.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: root.update(version=6), "is Model Library Format 6, expected 7"),
        (
            lambda root: root["modules"]["default"]["tvm_tiny"].update(abi_version=99),
            "has version 99 of the C interface, this module has",
        ),
        (lambda root: root["modules"].clear(), "was not written by tvm-tiny"),
    ],
)
def test_a_model_of_another_version_is_refused(unpacked, tmp_path, change, message):
    path = unpacked / "metadata.json"
    root = json.loads(path.read_text())
    change(root)
    path.write_text(json.dumps(root))
    built = configure(tmp_path, f"tvm_tiny_add_model(app MODEL {unpacked})")
    assert built.returncode != 0
    assert message in built.message


def test_float_operators_need_a_library(unpacked, tmp_path):
    source = unpacked / "codegen" / "host" / "src" / "tvmgen_default.c"
    source.write_text("#include <math.h>\n" + source.read_text())
    built = configure(tmp_path, f"tvm_tiny_add_model(app MODEL {unpacked})")
    assert "model 'default' has float operators" in built.message


def _member(name: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "metadata.json"
    return member


@pytest.mark.parametrize(
    "member",
    [
        _member("codegen/host/src/$(shell touch hostile).c"),
        _member("codegen/host/src/a;b.c"),
        _member("../outside"),
        _member("codegen/../../outside"),
        _member("/tmp/outside"),
        _member("link", tarfile.SYMTYPE),
        _member("link", tarfile.LNKTYPE),
    ],
    ids=lambda member: f"{member.name}-{member.type.decode()}",
)
def test_hostile_members_are_not_unpacked(tiny, tmp_path, member):
    hostile = shutil.copyfile(tiny, tmp_path / "hostile.tar")
    with tarfile.open(hostile, "a") as archive:
        archive.addfile(member)
    built = configure(tmp_path, f"tvm_tiny_add_model(app MODEL {hostile})")
    assert built.returncode != 0
    assert "members that are not plain files below its root; refused" in built.message
    assert not (tmp_path / "out" / "tvm_tiny").exists()


def test_only_sources_that_the_metadata_lists_are_compiled(unpacked, tmp_path):
    (unpacked / "codegen" / "host" / "src" / "stranger.c").write_text("#error compiled\n")
    built = configure(tmp_path, f"tvm_tiny_add_model(app MODEL {unpacked})")
    assert built.returncode == 0, built.output
