"""Counts instructions by layer with the board's own counter, where QEMU loads no plugin.

The driver has TVM_TINY_TRACE after each layer (in a stage, after each row), which here records the
counter. A layer's figure includes the driver's work since the previous record, and in a stage the
work of other layers on rows that were not finished at that time; it excludes the recording.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..boards import find_board
from ..compiler import runtime_folder
from ..firmware import Firmware, RunResult, build_firmware

#: A record as the header writes it: the counter before this record and after the previous one.
_RECORD = np.dtype([("now", "<u8"), ("resumed", "<u8")])


def time_layers(
    mlf_dir: Path,
    board: str,
    samples: Sequence[Sequence[np.ndarray]],
    work_dir: Path,
    timeout_s: float,
) -> tuple[dict[int, int], RunResult]:
    """Instructions of each layer of the last sample, and a run without records.

    The figures are exact to within one tick of the board's counter for each record. Raises the
    errors of `build_firmware` and `Firmware.run`.
    """
    with runtime_folder() as runtime:
        timed = _timed_firmware(mlf_dir, board, work_dir, runtime)
    trace = timed.run(samples, timeout_s).trace
    result = build_firmware(mlf_dir, board, work_dir).run(samples, timeout_s)
    assert trace is not None
    assert timed.board.machine is not None
    assert result.instructions is not None
    records = [
        (int(now), int(resumed), index)
        for index, data in trace[-1].items()
        for now, resumed in np.frombuffer(data.tobytes(), _RECORD)
    ]
    tick = timed.board.machine.instructions_per_tick
    return sum_records(records, tick, result.instructions[-1]), result


def sum_records(
    records: Iterable[tuple[int, int, int]], tick: Fraction, total: int
) -> dict[int, int]:
    """Instructions by layer of records (now, resumed, layer).

    tick   instructions of one tick
    total  instructions of the inference; those before the first record count for its layer
    """
    ordered = sorted(records)
    ticks: dict[int, int] = defaultdict(int)
    for now, resumed, index in ordered[1:]:
        ticks[index] += now - resumed
    layers = {index: round(count * tick) for index, count in ticks.items()}
    if ordered:
        first = ordered[0][2]
        rest = total - sum(layers.values())
        layers[first] = max(layers.get(first, 0) + rest, 0)
    return layers


def _timed_firmware(mlf_dir: Path, board: str, work_dir: Path, runtime: Path) -> Firmware:
    """Firmware whose trace records times instead of results."""
    boards = runtime / "boards"
    folders = (boards / "common", boards / find_board(board).target.platform)
    flags = (*(f"-I{folder}" for folder in folders), "-include", str(runtime / "qemu" / "timer.h"))
    firmware = build_firmware(mlf_dir, board, work_dir, trace=True, extra_cflags=flags)
    return replace(firmware, model=replace(firmware.model, steps={}))
