"""Counts the instructions of one inference on a board, by layer and by function.

A QEMU plugin (runtime_c/qemu) counts blocks of instructions exactly and adds nothing to the
firmware. Without the plugin, the board's own counter is read between layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tvm_tiny.archive.metadata import read_model_info
from tvm_tiny.errors import DataError

from ..boards import find_board
from .counted import count_layers
from .data import Layer, Profile
from .layers import Step, read_steps
from .plugin import PluginMissingError, build_plugin
from .sums import Work
from .timer import time_layers

#: The first inference warms up, the second is measured.
_SAMPLES = 2


def profile_model(
    mlf_dir: Path,
    board: str,
    inputs: Sequence[np.ndarray],
    work_dir: Path,
    timeout_s: float = 300.0,
) -> Profile:
    """Builds firmware below `work_dir`, runs one inference twice and counts the second.

    mlf_dir  unpacked Model Library Format
    board    name of an emulated board
    inputs   the model's inputs in order, with compiled dtype and shape

    Raises DataError for the host, which has no counter, and the errors of `build_firmware` and
    `Firmware.run`.
    """
    if find_board(board).machine is None:
        raise DataError(f"board {board} counts no instructions; choose an emulated board")
    steps = read_steps(mlf_dir, read_model_info(mlf_dir))
    samples = [inputs] * _SAMPLES
    work_dir.mkdir(parents=True, exist_ok=True)
    try:
        plugin = build_plugin(work_dir)
        return count_layers(mlf_dir, board, steps, plugin, samples, work_dir, timeout_s)
    except PluginMissingError as error:
        return _timed(mlf_dir, board, steps, samples, work_dir, timeout_s, str(error))


def _timed(
    mlf_dir: Path,
    board: str,
    steps: Sequence[Step],
    samples: Sequence[Sequence[np.ndarray]],
    work_dir: Path,
    timeout_s: float,
    why: str,
) -> Profile:
    """A profile by the board's timer. why: the reason for using no plugin."""
    times, result = time_layers(mlf_dir, board, samples, work_dir, timeout_s)
    assert result.instructions is not None
    return Profile(
        board=board,
        counter="timer",
        layers=tuple(Layer(step, None, Work(times.get(step.index, 0))) for step in steps),
        driver=Work(0),
        caller=Work(0),
        interrupts=0,
        functions=None,
        board_count=result.instructions[-1],
        stack_bytes=result.stack_bytes,
        notes=(f"counted by the board's timer, without functions and kinds: {why}",),
    )
