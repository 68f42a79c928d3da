"""No fault of the line gives a wrong result: an inference is right, or an error says why not."""

from __future__ import annotations

import random

import numpy as np
import pytest
from faulty_line import WEIGHTS, FaultyTransport
from session_device import Device, expected, inputs

from tvm_tiny.errors import SessionError
from tvm_tiny.micro import Session

SEEDS = 8
FAULTS = 1_300  # each seed


def soak(library, seed, rate, faults):
    """Runs until so many faults have met the line: (right results, errors, the line)."""
    line = FaultyTransport(Device(library), seed, rate)
    ids = random.Random(seed)
    right, errors, session = 0, [], None
    while sum(line.faults.values()) < faults:
        model, number = ids.choice(["sums", "rows"]), ids.randrange(1000)
        arrays = inputs(model, number)
        try:
            if session is None or ids.random() < 0.1:
                session = Session(
                    line, timeout_s=30, clock=line.clock, new_id=lambda: ids.getrandbits(32)
                )
            (output,) = session.run(arrays, model, measure=ids.random() < 0.5)
        except SessionError as error:
            errors.append(str(error))
            continue
        np.testing.assert_array_equal(output, expected(model, arrays))
        right += 1
    return right, errors, line


@pytest.mark.parametrize("seed", range(SEEDS))
def test_ten_thousand_faults_give_no_wrong_result(library, seed):
    right, errors, line = soak(library, seed, 0.1 + 0.02 * seed, FAULTS)
    assert SEEDS * FAULTS >= 10_000
    assert set(line.faults) == set(WEIGHTS)
    assert all("\n" not in error for error in errors)
    # Almost all are recovered from; what is reported is a line that is hopeless for a while.
    assert right > 20 * len(errors)


def test_a_line_that_loses_every_second_frame_still_works_or_says_so(library):
    right, errors, _ = soak(library, 99, 0.5, 400)
    assert right + len(errors) > 0
    assert right > 0


@pytest.mark.parametrize("fault", sorted(WEIGHTS))
def test_each_kind_of_fault_alone_is_recovered_from(library, fault, monkeypatch):
    monkeypatch.setattr("faulty_line.WEIGHTS", {fault: 1})
    # An inference of 20 frames hardly ever survives if each third resets the device.
    rate = 0.005 if fault.startswith("reset") else 0.3
    right, errors, line = soak(library, 7, rate, 40)
    assert sum(line.faults.values()) >= 40
    assert right > 0
    assert len(errors) <= right // 10
