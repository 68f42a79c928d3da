"""Firmware of candidates: counts repeat, results are compared, what has no room is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tvm_tiny.errors import BoardError, DataError, VerificationError
from tvm_tiny.schedules.packed.choice import Choice
from tvm_tiny.tuning.candidates import make_batch, make_kernel
from tvm_tiny.tuning.firmware import emulated, measure
from tvm_tiny.tuning.workloads import read_workloads

pytestmark = pytest.mark.qemu

BOARD = "mps2_an386"


@pytest.fixture(scope="module")
def batch(module, emulator):
    """A convolution by default, in small tiles, and in chunks."""
    workload = read_workloads(module, "dsp")[0]
    kernels = [make_kernel(workload, c) for c in (Choice(2, 2), Choice(1, 4), Choice(2, 2, 4))]
    return make_batch(BOARD, workload, kernels)


def test_counts_do_not_depend_on_what_is_measured_with_them(batch):
    first, second, third = measure(batch)
    backwards = replace(batch, kernels=(batch.kernels[0], *batch.kernels[:0:-1]))
    assert measure(backwards) == [first, third, second]
    assert measure(replace(batch, kernels=batch.kernels[:1])) == [first]


def test_filters_widened_once_take_fewer_instructions(batch):
    default, small, wide = measure(batch)
    assert wide < default < small


def test_a_candidate_that_differs_is_an_error(batch):
    wrong = batch.kernels[2].text.replace("tvm_tiny_dsp_widen(", "(void)(", 1)
    assert wrong != batch.kernels[2].text
    kernels = (*batch.kernels[:2], replace(batch.kernels[2], text=wrong))
    with pytest.raises(VerificationError, match=r"2x2 in chunks of 4 does not give the bytes of"):
        measure(replace(batch, kernels=kernels))


def test_what_the_board_has_no_room_for_is_not_counted(batch):
    huge = replace(batch.kernels[1], scratch_bytes=10**6)
    kernels = (batch.kernels[0], huge, batch.kernels[2])
    first, none, third = measure(replace(batch, kernels=kernels))
    assert none is None
    assert [first, third] == measure(replace(batch, kernels=(kernels[0], kernels[2])))


def test_a_layer_that_has_no_room_is_an_error(batch):
    huge = replace(batch.kernels[0], scratch_bytes=10**6)
    with pytest.raises(BoardError, match=r"alone does not fit board mps2_an386: .* bytes of RAM"):
        measure(replace(batch, kernels=(huge, *batch.kernels[1:])))


def test_code_that_does_not_compile_is_an_error(batch):
    broken = replace(batch.kernels[1], text="void kernel(; {")
    with pytest.raises(BoardError, match=r"(main|kernels)\.c does not build"):
        measure(replace(batch, kernels=(batch.kernels[0], broken)))


def test_the_host_counts_nothing():
    with pytest.raises(DataError, match=r"board 'host' counts no instructions: tune for an"):
        emulated("host")
