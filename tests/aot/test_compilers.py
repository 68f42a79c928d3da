"""Generated C under compilers, linkers and sanitizers, as firmware projects set them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from aot.conftest import needs
from aot.edge_models import EDGE_MODELS
from aot.host_library import STRICT, include_flags, run_tool, sources, write_model
from aot.test_edge_models import compile_quietly

from tvm_tiny.targets import find_target

OURS = (
    *STRICT,
    "-Wconversion",
    "-Wcast-qual",
    "-Wshadow",
    "-Wundef",
    "-Wstrict-prototypes",
    "-Wmissing-prototypes",
)
LIBRARY = {"memcpy", "memmove", "memset"}
# Armv6-M neither divides nor multiplies to 64 bits: helpers of Arm's run-time ABI, in libgcc.
DIVIDE = {"__aeabi_idiv", "__aeabi_idivmod", "__aeabi_uidiv", "__aeabi_uidivmod"}
RUN_TIME_ABI = {"cortex-m4": set(), "cortex-m0": DIVIDE | {"__aeabi_lmul"}}


def compile_all(command: list[str], folder: Path, out: Path) -> None:
    """Every source on its own, in one call of the compiler."""
    out.mkdir(exist_ok=True)
    done = subprocess.run(
        [*command, *include_flags(folder), "-c", *sources(folder)],
        cwd=out,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[:4000]


def undefined_symbols(objects: Path, nm: str = "nm") -> set[str]:
    """What all objects together leave to others."""
    lines = run_tool([nm, "-A", *sorted(objects.glob("*.o"))]).splitlines()
    kinds = [line.split()[-2:] for line in lines]
    defined = {name for kind, name in kinds if kind.upper() in "TDRBVW"}
    return {name for kind, name in kinds if kind == "U"} - defined


@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_integer_models_need_no_library(integer_folder, compiler, level, tmp_path):
    compile_all([compiler, *STRICT, level, "-fno-stack-protector"], integer_folder, tmp_path)
    assert undefined_symbols(tmp_path) <= LIBRARY


@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m0"])
def test_integer_models_need_only_the_run_time_abi_on_the_device(integer_folder, target, tmp_path):
    gcc, nm = needs("arm-none-eabi-gcc"), needs("arm-none-eabi-nm")
    flags = [*find_target(target).cflags, *STRICT]
    compile_all([gcc, *flags], integer_folder, tmp_path)
    assert undefined_symbols(tmp_path, nm) <= LIBRARY | RUN_TIME_ABI[target]


def test_float_models_need_libm_alone(float_model, compiler, tmp_path):
    folder = write_model(float_model, tmp_path / "model")
    compile_all([compiler, *STRICT, "-O2"], folder, tmp_path / "objects")
    assert undefined_symbols(tmp_path / "objects") <= LIBRARY | {"expf", "exp2f", "roundf", "rintf"}


@pytest.mark.parametrize("io_in_arena", [True, False])
@pytest.mark.parametrize("name", EDGE_MODELS)
def test_what_we_write_passes_stricter_warnings(name, io_in_arena, compiler, tmp_path):
    model = compile_quietly(EDGE_MODELS[name](), name="strict", io_in_arena=io_in_arena)
    folder = write_model(model, tmp_path)
    ours = [source for source in sources(folder) if not source.endswith("_kernels.c")]
    assert len(ours) == 2
    run_tool([compiler, *OURS, *include_flags(folder), "-fsyntax-only", *ours])


@pytest.mark.parametrize("io_in_arena", [True, False])
@pytest.mark.parametrize("name", ["network", "strange_names", "keywords", "no_inputs"])
def test_header_is_cpp(name, io_in_arena, tmp_path):
    cpp = needs("g++")
    model = compile_quietly(EDGE_MODELS[name](), name="cpp", io_in_arena=io_in_arena)
    folder = write_model(model, tmp_path)
    user = folder / "user.cpp"
    user.write_text('#include "tvmgen_cpp.h"\nint size() { return TVMGEN_CPP_WORKSPACE_SIZE; }\n')
    flags = ["-std=c++11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"]
    run_tool([cpp, *flags, *include_flags(folder), user])


def test_header_stands_alone_and_twice(integer_folder, compiler, tmp_path):
    for header in sorted((integer_folder / "codegen/host/include").glob("*.h")):
        user = tmp_path / f"{header.stem}.c"
        user.write_text(f'#include "{header.name}"\n#include "{header.name}"\nint unused;\n')
        run_tool([compiler, *OURS, *include_flags(integer_folder), "-fsyntax-only", user])


@pytest.mark.parametrize("scope", ["TVM_TINY", "TVMGEN_NETWORK"])
def test_section_of_weights_can_be_chosen(scope, tmp_path):
    needs("objdump")
    model = compile_quietly(EDGE_MODELS["network"](), name="network")
    folder = write_model(model, tmp_path)
    section = f'-D{scope}_SECTION_RODATA=__attribute__((section(".external_flash")))'
    weights = folder / "codegen/host/src/tvmgen_network_weights.c"
    run_tool(["gcc", *STRICT, section, *include_flags(folder), "-c", weights, "-o", folder / "w.o"])
    assert ".external_flash" in run_tool(["objdump", "-h", folder / "w.o"])


def test_constants_are_constant_and_all_state_is_the_callers(integer_folder, tmp_path):
    compile_all(["gcc", *STRICT, "-O2"], integer_folder, tmp_path)
    symbols = [
        line.split() for line in run_tool(["nm", *sorted(tmp_path.glob("*.o"))]).splitlines()
    ]
    assert not [s for s in symbols if len(s) == 3 and s[1] in "dDbBcC"]


def test_headers_of_another_abi_version_are_refused(tmp_path):
    model = compile_quietly(EDGE_MODELS["two_inputs"](), name="old")
    folder = write_model(model, tmp_path)
    version = folder / "runtime/include/tvm_tiny/version.h"
    version.write_text(version.read_text().replace("ABI_VERSION 1", "ABI_VERSION 2"))
    driver = folder / "codegen/host/src/tvmgen_old.c"
    with pytest.raises(AssertionError, match="was generated for ABI version 1"):
        run_tool(["gcc", *include_flags(folder), "-fsyntax-only", driver])
