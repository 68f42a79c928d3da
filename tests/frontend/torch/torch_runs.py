"""Runs compiled models on a board, batch in and batch out."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import tvm

from tvm_tiny import CompiledModel, build
from tvm_tiny.micro.boards import find_board
from tvm_tiny.micro.firmware import build_firmware


def compiled_for(module: tvm.IRModule, board: str) -> CompiledModel:
    return build(module, find_board(board).target.name)


def on_board(compiled: CompiledModel, board: str, batch: np.ndarray) -> np.ndarray:
    """The first output [samples, ...] for the samples of the only input."""
    (port,), outputs = compiled.program.interface.inputs, compiled.program.interface.outputs
    with tempfile.TemporaryDirectory(prefix="tvm-tiny-") as name:
        compiled.save(Path(name) / "mlf", folder=True)
        firmware = build_firmware(Path(name) / "mlf", board, Path(name))
        samples = [[port.to_device(sample.reshape(port.model_shape))] for sample in batch]
        results = firmware.run(samples, 600.0).outputs
    return np.concatenate([outputs[0].from_device(result[0]) for result in results])


def on_host(module: tvm.IRModule, batch: np.ndarray) -> np.ndarray:
    return on_board(compiled_for(module, "host"), "host", batch)
