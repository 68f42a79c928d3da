"""Examples of existing build systems and of FreeRTOS, as their comments say to use them."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from modelgen import random_tflite
from repository import ROOT
from tools import require

import tvm_tiny
from tvm_tiny import toolchain
from tvm_tiny.frontend.tflite import from_tflite

EXAMPLES = ROOT / "examples"
STRICT = "CFLAGS=-O2 -Wall -Wextra -Werror -pedantic"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folder with model "default" as archive and folder, and "first" and "second" as folders."""
    folder = tmp_path_factory.mktemp("models")
    softmax = from_tflite(random_tflite.single_op_model("SOFTMAX", 1))
    compiled = tvm_tiny.build(softmax)
    compiled.save(folder / "default", folder=True)
    compiled.save(folder / "default.tar")
    tvm_tiny.build(softmax, name="first").save(folder / "first", folder=True)
    dense = from_tflite(random_tflite.single_op_model("FULLY_CONNECTED", 2))
    tvm_tiny.build(dense, name="second").save(folder / "second", folder=True)
    return folder


@pytest.fixture
def example(tmp_path):
    """`example(name)`: a copy of it beside `firmware`, to be built there."""
    require(toolchain.HOST_CC)
    require("make")
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    return lambda name: tmp_path / "examples" / name


def run(*command, cwd=None):
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_plain_makefile_builds_and_runs(example, models):
    folder = example("makefile")
    run("make", f"MODEL={models / 'default'}", STRICT, cwd=folder)
    assert run(folder / "build" / "firmware").startswith("class ")


def test_a_makefile_without_a_model_says_so(example):
    done = subprocess.run(
        ["make"], cwd=example("makefile"), capture_output=True, text=True, check=False
    )
    assert "MODEL=model holds no model" in done.stderr


@pytest.mark.qemu
def test_a_plain_makefile_cross_compiles_a_library(example, models):
    require(toolchain.ARM_GCC)
    folder = example("makefile")
    flags = "CFLAGS=-O2 -mcpu=cortex-m4 -mthumb -Wall -Wextra -Werror"
    tools = ("CC=arm-none-eabi-gcc", "AR=arm-none-eabi-ar", flags)
    run("make", f"MODEL={models / 'default'}", *tools, "library", cwd=folder)
    assert "tvmgen_default_run" in run("arm-none-eabi-nm", folder / "build" / "libmodel.a")


def test_fetchcontent_unpacks_the_archive(example, models, tmp_path):
    require("cmake")
    build = tmp_path / "build"
    archive = models / "default.tar"
    run("cmake", "-S", example("fetchcontent"), "-B", build, f"-DMODEL={archive}")
    run("cmake", "--build", build)
    assert run(build / "firmware").startswith("class ")


def test_two_models_share_an_arena(example, models):
    folder = example("two_models")
    names = (f"FIRST={models / 'first'}", f"SECOND={models / 'second'}")
    run("make", *names, STRICT, cwd=folder)
    lines = run(folder / "build" / "firmware").splitlines()
    assert lines[0].startswith("one arena of ")
    assert [line.split(":")[0] for line in lines[1:]] == ["first", "second"] * 3


@pytest.mark.parametrize("flags", ["-O2", "-O1 -g -fsanitize=thread"])
def test_freertos_tasks_get_the_same_results_at_any_time(example, models, flags):
    folder = example("freertos")
    names = (f"FIRST={models / 'first'}", f"SECOND={models / 'second'}")
    run("make", *names, f"{STRICT} {flags}", cwd=folder)
    assert run(folder / "build" / "firmware") == "2 clients, 153 inferences each: equal\n"


@pytest.mark.qemu
def test_freertos_code_compiles_for_a_microcontroller(models, tmp_path):
    require(toolchain.ARM_GCC)
    stub = EXAMPLES / "freertos" / "stub"
    (tmp_path / "pthread.h").write_text(
        "typedef int pthread_t;\ntypedef int pthread_mutex_t;\ntypedef int pthread_cond_t;\n"
    )
    folders = [tmp_path, stub, *(models / m / p for m in ("first", "second")
               for p in ("codegen/host/include", "runtime/include"))]  # fmt: skip
    run("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-std=c99", "-Wall", "-Wextra",
        "-Werror", *(f"-I{folder}" for folder in folders),
        "-c", EXAMPLES / "freertos" / "inference.c", "-o", tmp_path / "inference.o")  # fmt: skip
    symbols = run("arm-none-eabi-nm", "-u", tmp_path / "inference.o")
    assert "malloc" not in symbols
