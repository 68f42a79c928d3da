"""Outputs, instruction counts, stack marks and sizes of the hand-made model on every board."""

from __future__ import annotations

import numpy as np
import pytest
from fake_model import expected, fake_model, samples

from tvm_tiny.micro import BOARDS, RunResult, build_firmware

#: A loop of two instructions a turn, whatever the compiler does.
ARM_LOOP = (
    '__asm__ volatile(".syntax unified\\n ldr r3, =%d\\n b 1f\\n .ltorg\\n .balign 4\\n'
    ' 1: subs r3, r3, #1\\n bne 1b\\n" ::: "r3", "cc");'
)
RISCV_LOOP = '__asm__ volatile("li t0, %d\\n 1: addi t0, t0, -1\\n bnez t0, 1b\\n" ::: "t0");'
#: One poll of the counter at each end of a measurement.
TOLERANCE = 8


def build_and_run(tmp_path, board, count=1, *, flags=(), trace=False, **model) -> RunResult:
    name = f"model{len(list(tmp_path.iterdir()))}"
    mlf = fake_model(tmp_path / name, **model)
    firmware = build_firmware(mlf, board, tmp_path / "work", trace=trace, extra_cflags=flags)
    return firmware.run(samples(count), timeout_s=60)


def loop(board: str, turns: int) -> str:
    return (RISCV_LOOP if BOARDS[board].target.name == "rv32" else ARM_LOOP) % turns


@pytest.mark.parametrize("io_in_arena", [True, False])
def test_outputs(tmp_path, board, io_in_arena):
    result = build_and_run(tmp_path, board, 3, io_in_arena=io_in_arena)
    for outputs, want in zip(result.outputs, expected(samples(3)), strict=True):
        np.testing.assert_array_equal(outputs[0], want)
        assert outputs[0].dtype == np.int8
    assert result.arena_bytes == (128 if io_in_arena else 0)


def test_host_measures_neither_instructions_nor_stack(tmp_path):
    result = build_and_run(tmp_path, "host")
    assert result.instructions is None
    assert result.stack_bytes is None


def test_counts_repeat_exactly_between_runs(tmp_path, emulated):
    firmware = build_firmware(fake_model(tmp_path / "model", work=5), emulated, tmp_path)
    first = firmware.run(samples(2))
    assert first.instructions == firmware.run(samples(2)).instructions
    assert first.instructions[0] == pytest.approx(first.instructions[1], abs=TOLERANCE)


def test_counts_are_instructions(tmp_path, emulated):
    """The clock in the table of boards is right: a loop of known length says so."""
    short, long = 1000, 250_007
    difference = [
        build_and_run(tmp_path, emulated, more=loop(emulated, turns)).instructions[0]
        for turns in (short, long)
    ]
    assert difference[1] - difference[0] == pytest.approx(2 * (long - short), abs=TOLERANCE)


@pytest.mark.qemu
@pytest.mark.parametrize("turns", [10_000, 61_203, 61_240, 61_300, 200_000])
def test_counts_survive_wraps_of_the_counter(tmp_path, turns):
    """A counter of 10 bits instead of 24 wraps every 40960 instructions."""
    model = loop("mps2_an386", turns)
    whole = build_and_run(tmp_path, "mps2_an386", more=model).instructions[0]
    flags = ["-DTVM_TINY_SYSTICK_BITS=10"]
    short = build_and_run(tmp_path, "mps2_an386", more=model, flags=flags).instructions[0]
    handler_instructions = 8
    wraps = whole // 40960 + 1
    assert -TOLERANCE <= short - whole <= handler_instructions * wraps + TOLERANCE


def test_stack_mark_follows_the_models_frame(tmp_path, emulated):
    small = build_and_run(tmp_path, emulated, buffer=16).stack_bytes
    large = build_and_run(tmp_path, emulated, buffer=416).stack_bytes
    assert 16 <= small <= 64
    assert large - small == pytest.approx(400, abs=16)


def test_sizes_follow_constants_and_arena(tmp_path, emulated):
    plain = build_and_run(tmp_path, emulated)
    more = build_and_run(tmp_path, emulated, table_bytes=5000, extra_arena=2000)
    assert more.flash_bytes - plain.flash_bytes == pytest.approx(5000, abs=128)
    assert more.model_flash_bytes - plain.model_flash_bytes == pytest.approx(5000, abs=128)
    assert more.ram_bytes - plain.ram_bytes == 2000
    assert more.arena_bytes - plain.arena_bytes == 2000


def test_trace_has_every_step_of_every_sample(tmp_path, board):
    result = build_and_run(tmp_path, board, 2, trace=True)
    assert result.trace is not None
    for steps, want in zip(result.trace, expected(samples(2)), strict=True):
        np.testing.assert_array_equal(steps[0], want)
        assert list(steps) == [0]


FLOAT_BODY = """
#include <math.h>
static __attribute__((noinline)) float f(float x) { return expf(x) + tanhf(x) + roundf(x); }
"""


def test_float_operators_link_and_run(tmp_path, board):
    more = "y[0] = (int8_t)(8.0f * f((float)(x[0] & 1) + 1.0f));"
    result = build_and_run(tmp_path, board, body=FLOAT_BODY, more=more)
    value = np.float32((samples(1)[0][0][0, 0] & 1) + 1)
    want = 8 * (np.exp(value) + np.tanh(value) + np.round(value))
    assert result.outputs[0][0][0, 0] == np.int8(want)
