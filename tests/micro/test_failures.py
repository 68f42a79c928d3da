"""What goes wrong on a board ends in one line that says what and where."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from fake_model import fake_model, samples

from tvm_tiny.errors import BoardError, DataError, ToolchainError
from tvm_tiny.micro import BOARDS, build_firmware

RECURSION = """
static __attribute__((noinline)) int32_t deep(int32_t n) {
  volatile int32_t local[64];
  local[1] = n;
  return n == 0 ? local[1] : deep(n - 1) + local[1];
}
"""
WIDE = """
static __attribute__((noinline)) int32_t wide(void) {
  volatile int8_t local[%d];
  int32_t i;
  for (i = 0; i < (int32_t)sizeof(local); i++) local[i] = 1;
  return local[0] - 1;
}
"""


def failure(tmp_path, board, timeout_s=30.0, **model) -> str:
    """The message of a build or run that must fail."""
    mlf = fake_model(tmp_path / "model", **model)
    with pytest.raises(BoardError) as caught:
        build_firmware(mlf, board, tmp_path / "work").run(samples(2), timeout_s)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_too_much_flash(tmp_path, emulated):
    flash = BOARDS[emulated].machine.flash.size
    message = failure(tmp_path, emulated, table_bytes=flash + 1000)
    match = re.search(r"does not fit board \w+: flash needs (\d+) bytes, (\d+) available", message)
    assert match is not None, message
    assert flash + 1000 <= int(match[1]) <= flash + 8000
    assert int(match[2]) == flash


def test_too_much_ram(tmp_path, emulated):
    machine = BOARDS[emulated].machine
    message = failure(tmp_path, emulated, extra_arena=machine.ram.size)
    match = re.search(r"RAM needs (\d+) bytes \(arena \d+, at least (\d+) for the stack\)", message)
    assert match is not None, message
    need = machine.ram.size + machine.stack_reserve
    assert need <= int(match[1]) <= need + 2000


@pytest.mark.qemu
@pytest.mark.parametrize("name", [n for n in BOARDS if n not in ("host", "microbit")])
def test_room_for_larger_models(tmp_path, name):
    mlf = fake_model(tmp_path / "model", table_bytes=800_000, extra_arena=300_000)
    build_firmware(mlf, name, tmp_path / "work").run(samples(1))


def test_hang(tmp_path, board):
    message = failure(tmp_path, board, timeout_s=1.0, more="for (;;) { }")
    assert "no end after 1 s, 0 samples finished" in message


def test_fault_names_the_function(tmp_path, emulated):
    message = failure(tmp_path, emulated, more="__builtin_trap();")
    assert re.search(r"fault at pc 0x[0-9a-f]{8} in tvmgen_fake_run\+0x", message)


@pytest.mark.qemu
def test_bus_fault(tmp_path):
    message = failure(tmp_path, "mps2_an386", more="*(volatile int32_t*)0xfffffff0u = 1;")
    assert "in tvmgen_fake_run+0x" in message
    assert "cause 0x8200" in message


@pytest.mark.qemu
def test_lost_vector_table(tmp_path):
    """Nothing can report this fault: the processor locks up and the emulator ends itself."""
    more = "*(volatile uint32_t*)0xe000ed08u = 0x60000000u; __builtin_trap();"
    assert "the processor locked up" in failure(tmp_path, "mps2_an386", more=more)


def test_crash_on_the_host_names_the_signal(tmp_path):
    more = "*(volatile int32_t*)(uintptr_t)8 = 1;"
    assert "host: killed by SIGSEGV" in failure(tmp_path, "host", more=more)


def test_return_code_is_explained(tmp_path, board):
    message = failure(tmp_path, board, more="code = 0x0202;")
    assert message.endswith(
        "code 0x0202 (ARENA_ALIGNMENT: the arena is not aligned to 16 bytes) at sample 0"
    )


def test_endless_recursion(tmp_path, emulated):
    more = "code = deep(100000 + x[0]);"
    assert "fault" in failure(tmp_path, emulated, body=RECURSION, more=more)


def test_stack_overflow_that_does_not_fault(tmp_path, emulated):
    """An array that reaches a little below the stack's limit."""
    body = WIDE % (BOARDS[emulated].machine.ram.size - 4700)
    message = failure(tmp_path, emulated, body=body, more="code = wide();", extra_arena=4600)
    assert "0x0204 (STACK_OVERFLOW" in message


def test_source_that_does_not_compile(tmp_path):
    message = failure(tmp_path, "host", body="int32_t oops = undeclared;")
    assert "lib0.c does not build" in message
    assert "undeclared" in message


def test_undefined_function(tmp_path, board):
    message = failure(tmp_path, board, body="int32_t absent(void);", more="code = absent();")
    assert "absent" in message


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ([], "no samples"),
        ([[]], "sample 0 has 0 inputs, the model expects 1"),
        ([[np.zeros((1, 3), np.int8)]], r"sample 0, input 'x:0' is int8 \[1, 3\], .*\[1, 64\]"),
        ([[np.zeros((1, 64), np.uint8)]], "input 'x:0' is uint8"),
    ],
)
def test_inputs_that_do_not_fit(tmp_path, inputs, reason):
    firmware = build_firmware(fake_model(tmp_path / "model"), "host", tmp_path / "work")
    with pytest.raises(DataError, match=reason):
        firmware.run(inputs)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", json.dumps({"model_name": "a b", "modules": {"a b": {"tvm_tiny": {}}}})],
)
def test_damaged_metadata(tmp_path, text):
    mlf = fake_model(tmp_path / "model")
    (mlf / "metadata.json").write_text(text)
    with pytest.raises(DataError, match="not metadata of a tvm_tiny model"):
        build_firmware(mlf, "host", tmp_path / "work")


def test_folder_without_a_model(tmp_path):
    with pytest.raises(DataError, match="not a Model Library Format folder"):
        build_firmware(tmp_path, "host", tmp_path / "work")


@pytest.mark.parametrize(
    ("board", "message"),
    [
        (
            "mps2_an386",
            "arm-none-eabi-gcc not found: install it with "
            "'apt install gcc-arm-none-eabi libnewlib-arm-none-eabi'",
        ),
        ("riscv32", "'apt install gcc-riscv64-unknown-elf'"),
        ("host", "cc not found: install it with 'apt install gcc libc6-dev'"),
    ],
)
def test_missing_compiler_names_the_package(tmp_path, monkeypatch, board, message):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolchainError, match=re.escape(message)):
        build_firmware(fake_model(tmp_path / "model"), board, tmp_path / "work")


@pytest.mark.qemu
def test_missing_emulator_names_the_package(tmp_path, monkeypatch):
    firmware = build_firmware(fake_model(tmp_path / "model"), "mps2_an386", tmp_path / "work")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolchainError, match=r"qemu-system-arm not found: .*qemu-system-arm'"):
        firmware.run(samples(1))


def test_arm_compiler_without_a_c_library(tmp_path, monkeypatch):
    fake = tmp_path / "arm-none-eabi-gcc"
    fake.write_text("#!/bin/sh\necho libc.a\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(ToolchainError, match=r"no C library: .*libnewlib-arm-none-eabi"):
        build_firmware(fake_model(tmp_path / "model"), "mps2_an386", tmp_path / "work")


@pytest.mark.qemu
def test_float_model_on_riscv_without_picolibc(tmp_path, monkeypatch):
    monkeypatch.setattr("tvm_tiny.toolchain.find_picolibc", lambda: None)
    mlf = fake_model(tmp_path / "model", body="#include <math.h>")
    with pytest.raises(ToolchainError, match="apt install picolibc-riscv64-unknown-elf"):
        build_firmware(mlf, "riscv32", tmp_path / "work")
