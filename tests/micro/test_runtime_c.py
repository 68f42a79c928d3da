"""The C that ships: no warning from any compiler, no undefined behaviour, headers fit for C++."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest
from fake_model import RUNTIME_C, expected, fake_model, samples
from tools import require

from tvm_tiny import toolchain
from tvm_tiny.micro import TARGETS, build_firmware
from tvm_tiny.micro.report import describe_code

WARNINGS = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wshadow"]
CLANG_TRIPLES = {
    "host": (),
    "cortex_m": ("--target=arm-none-eabi", "-ffreestanding"),
    "riscv": ("--target=riscv32-unknown-elf", "-ffreestanding", "-fsyntax-only"),
}
#: What is generated for programs on a board's UART.
MLPERF = """
#include "mlperf.h"
#include "tvm_tiny_models.h"
#define TVM_TINY_MLPERF_BUFFER 4
static const struct tvm_tiny_mlperf_benchmark tvm_tiny_mlperf_benchmark = {
    "v", "n", &tvm_tiny_models[0], TVM_TINY_MLPERF_BYTES, TVM_TINY_MLPERF_VECTOR, 4, 1.0f, 0, 1.0f,
    0};
"""
MODELS = """
#include "tvm_tiny/session.h"
#define TVM_TINY_MODELS 1
extern const struct tvm_tiny_session_model* const tvm_tiny_models[TVM_TINY_MODELS];
"""
PORT = ("-DTVM_TINY_UART_BASE=0x40004000u", "-DTVM_TINY_TICKS_PER_SECOND=25000000u")
HEADERS = sorted(path.name for path in (RUNTIME_C / "include" / "tvm_tiny").glob("*.h"))


def compile_strictly(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def board_sources(platform: str) -> list[Path]:
    common = sorted((RUNTIME_C / "boards" / "common").glob("*.c"))
    if platform == "host":
        # The host has its own.
        common = [path for path in common if path.name not in ("semihosting.c", "port.c")]
    return common + sorted((RUNTIME_C / "boards" / platform).glob("*.c"))


@pytest.fixture(scope="module")
def glue(tmp_path_factory) -> Path:
    """A folder with all that is generated, and the model's header."""
    folder = tmp_path_factory.mktemp("glue")
    mlf = fake_model(folder / "model")
    firmware = build_firmware(mlf, "host", folder / "work")
    shutil.copy(mlf / "codegen" / "host" / "include" / "tvmgen_fake.h", firmware.path.parent)
    (firmware.path.parent / "tvm_tiny_models.h").write_text(MODELS)
    (firmware.path.parent / "tvm_tiny_mlperf.h").write_text(MLPERF)
    return firmware.path.parent


@pytest.mark.parametrize("trace", [False, True], ids=["plain", "trace"])
@pytest.mark.parametrize("family", ["gcc", "clang"])
@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_board_support_compiles_without_a_warning(tmp_path, glue, target, family, trace):
    boards = RUNTIME_C / "boards"
    if family == "clang":
        require("clang")
        head = ["clang", *CLANG_TRIPLES[target.platform]]
    else:
        require(target.compiler)
        head = [str(toolchain.find_tool(target.compiler))]
    includes = [glue, boards / "common", boards / target.platform, RUNTIME_C / "include"]
    includes += [RUNTIME_C / "mlperf"]
    flags = [*target.cflags, *WARNINGS, *PORT, *(f"-I{folder}" for folder in includes)]
    if target.platform == "riscv" and family == "gcc":
        flags += ["-isystem", str(boards / "riscv" / "include")]
    if trace:
        flags += ["-DTVM_TINY_BOARD_TRACE"]
    for source in board_sources(target.platform):
        output = [] if "-fsyntax-only" in head else ["-o", str(tmp_path / "x.o")]
        compile_strictly([*head, *flags, "-c", str(source), *output])


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("language", ["c99", "c11", "c++98", "c++17"])
def test_headers_stand_alone(tmp_path, header, compiler, language):
    require(compiler)
    source = tmp_path / "header.c"
    source.write_text(f'#include "tvm_tiny/{header}"\nint tvm_tiny_not_empty;\n')
    kind = "c++" if language.startswith("c++") else "c"
    warnings = [flag for flag in WARNINGS if (language, flag) != ("c++98", "-pedantic")]
    flags = ["-x", kind, f"-std={language}", *warnings, f"-I{RUNTIME_C / 'include'}"]
    compile_strictly([compiler, *flags, "-fsyntax-only", str(source)])


OPTIONS_PROGRAM = """
#include <stdint.h>
#include "tvm_tiny/errors.h"
#include "tvm_tiny/options.h"
#include "tvm_tiny/version.h"
TVM_TINY_STATIC_ASSERT(TVM_TINY_ABI_VERSION == 1, abi);
TVM_TINY_SECTION_RODATA TVM_TINY_ALIGN(16) static const int8_t table[3] = {1, 2, 3};
TVM_TINY_SECTION_BSS TVM_TINY_ALIGN(TVM_TINY_ARENA_ALIGNMENT) static uint8_t arena[100];
static const struct tvm_tiny_error_info errors[] = {TVM_TINY_ERROR_LIST(TVM_TINY_ERROR_ROW)};
static int32_t add(int32_t* TVM_TINY_RESTRICT a) { return *a; }
int main(void) {
  int32_t zero = errors[0].code;
  TVM_TINY_TRACE(0u, table, 3u);
  arena[0] = (uint8_t)table[0];
  if (((uintptr_t)table | (uintptr_t)arena) % 16u != 0u) return 1;
  return add(&zero) == TVM_TINY_ERROR_OK && TVM_TINY_ERROR_CATEGORY(0x0203) == 2 ? 0 : 2;
}
"""


@pytest.mark.parametrize("compiler", ["gcc", "clang", "g++", "clang++"])
def test_macros_work(tmp_path, compiler):
    require(compiler)
    plus = "++" in compiler
    source = tmp_path / ("program.cc" if plus else "program.c")
    source.write_text(OPTIONS_PROGRAM)
    program = tmp_path / "program"
    flags = [f"-std={'c++11' if plus else 'c99'}", *WARNINGS, f"-I{RUNTIME_C / 'include'}"]
    compile_strictly([compiler, *flags, str(source), "-o", str(program)])
    assert subprocess.run([str(program)], check=False).returncode == 0


def test_options_file_overrides(tmp_path):
    require("gcc")
    (tmp_path / "mine.h").write_text(
        '#define TVM_TINY_SECTION_RODATA TVM_TINY_SECTION_DEFAULT("x")\n'
    )
    (tmp_path / "a.c").write_text(
        '#include "tvm_tiny/options.h"\nTVM_TINY_SECTION_RODATA const int table[1] = {1};\n'
    )
    includes = [f"-I{tmp_path}", f"-I{RUNTIME_C / 'include'}"]
    flags = ['-DTVM_TINY_OPTIONS_FILE="mine.h"', *includes, "-S", "-o", "-"]
    done = subprocess.run(
        ["gcc", *flags, str(tmp_path / "a.c")], capture_output=True, text=True, check=True
    )
    assert re.search(r"\.section\s+x,", done.stdout)


@pytest.mark.parametrize("io_in_arena", [True, False])
def test_host_firmware_under_sanitizers(tmp_path, io_in_arena):
    mlf = fake_model(tmp_path / "model", io_in_arena=io_in_arena)
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"]
    firmware = build_firmware(mlf, "host", tmp_path / "work", trace=True, extra_cflags=flags)
    result = firmware.run(samples(3))
    for outputs, want in zip(result.outputs, expected(samples(3)), strict=True):
        assert (outputs[0] == want).all()


def test_memory_functions_of_riscv_agree_with_the_c_library(tmp_path):
    """riscv/string.c under other names, against the host's functions."""
    require("gcc")
    names = ["memcpy", "memmove", "memset", "memcmp"]
    source = RUNTIME_C / "boards" / "riscv" / "string.c"
    ours = tmp_path / "ours.o"
    rename = [f"-D{name}=our_{name}" for name in names]
    flags = ["-O2", "-fno-builtin", "-fno-tree-loop-distribute-patterns"]
    compile_strictly(["gcc", *flags, *rename, "-c", str(source), "-o", str(ours)])
    program = tmp_path / "check.c"
    program.write_text(MEMORY_PROGRAM)
    compile_strictly(["gcc", str(program), str(ours), "-o", str(tmp_path / "check")])
    assert subprocess.run([str(tmp_path / "check")], check=False).returncode == 0


MEMORY_PROGRAM = """
#include <string.h>
void* our_memcpy(void*, const void*, size_t);
void* our_memmove(void*, const void*, size_t);
void* our_memset(void*, int, size_t);
int our_memcmp(const void*, const void*, size_t);
static unsigned char a[64], b[64];
static void fill(void) { for (int i = 0; i < 64; i++) a[i] = b[i] = (unsigned char)(i * 37); }
int main(void) {
  for (size_t to = 0; to < 12; to++) for (size_t from = 0; from < 12; from++)
    for (size_t n = 0; n < 20; n++) {
      fill(); memmove(a + to, a + from, n); our_memmove(b + to, b + from, n);
      if (memcmp(a, b, 64)) return 1;
      fill(); memcpy(a + to, a + 32 + from, n); our_memcpy(b + to, b + 32 + from, n);
      if (memcmp(a, b, 64)) return 2;
      fill(); memset(a + to, (int)from - 3, n); our_memset(b + to, (int)from - 3, n);
      if (memcmp(a, b, 64)) return 3;
      int left = memcmp(a + to, a + from, n), right = our_memcmp(a + to, a + from, n);
      if ((left > 0) - (left < 0) != right) return 4;
    }
  return 0;
}
"""


def test_error_codes_are_unique_and_in_their_category():
    header = (RUNTIME_C / "include" / "tvm_tiny" / "errors.h").read_text()
    rows = re.findall(r"X\((\w+), (0x[0-9a-f]{4}), ", header)
    codes = [int(code, 16) for _, code in rows]
    assert len(set(codes)) == len(codes) == len({name for name, _ in rows})
    assert codes == sorted(codes)
    assert describe_code(0) == "0x0000 (OK: success)"
    assert describe_code(0x7777) == "0x7777 (not a code of tvm_tiny/errors.h)"


def test_c_files_are_package_data():
    installed = files("tvm_tiny.runtime_c")
    for name in ("include/tvm_tiny/errors.h", "boards/common/main.c", "boards/common/glue.h.j2"):
        assert (installed / name).is_file()
