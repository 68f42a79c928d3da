"""Compiles a model, runs it on boards, checks its outputs and counts instructions."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tvm.ir import IRModule

import tvm_tiny
from tvm_tiny.errors import BoardError, ToolchainError
from tvm_tiny.micro.boards import BOARDS
from tvm_tiny.micro.firmware import build_firmware

from .cases import DIGITS, FORMS, MODELS, PORTABLE, Case, Job

#: Number of samples: the first warms up, the second is counted.
SAMPLES = 2
#: Most steps of the output's scale by which an ONNX model may differ from onnxruntime.
MOST_STEPS = 3


@dataclass(frozen=True)
class Figure:
    """Instructions of one inference, and bytes of arena, stack and the firmware's flash."""

    instructions: int
    arena: int
    flash: int
    stack: int


@dataclass(frozen=True)
class Result:
    """The result of one case.

    figure   None where the case could not be measured
    reason   why it could not, or why the outputs are wrong
    wrong    whether the outputs are not the recorded ones
    seconds  time for compiling, for all boards of a job; depends on the machine
    """

    case: Case
    figure: Figure | None
    reason: str = ""
    wrong: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Samples:
    """Inputs and expected outputs, each [SAMPLES, ...]. exact: compare outputs bit for bit."""

    inputs: np.ndarray
    outputs: np.ndarray
    exact: bool


def measure(job: Job) -> list[Result]:
    """Compiles and runs a job, and gives a result for each of its boards."""
    module, samples = _digits() if job.model == DIGITS else _recorded(job.model)
    start = time.monotonic()
    target = BOARDS[job.boards[0]].target.name
    model = tvm_tiny.build(module, target, **FORMS[job.form])
    seconds = time.monotonic() - start
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        folder = Path(work) / "model"
        model.save(folder, folder=True)
        return [_run(case, model, samples, folder, seconds) for case in job.cases]


def _run(
    case: Case, model: tvm_tiny.CompiledModel, samples: Samples, folder: Path, seconds: float
) -> Result:
    (source,), (result,) = model.program.interface.inputs, model.program.interface.outputs
    feeds = [[source.to_device(sample)] for sample in _one_by_one(samples.inputs)]
    try:
        run = build_firmware(folder, case.board, folder.parent).run(feeds, timeout_s=600)
    except (BoardError, ToolchainError) as error:
        known = isinstance(error, ToolchainError) or "does not fit" in str(error)
        return Result(case, None, str(error), wrong=not known, seconds=seconds)
    actual = np.concatenate([result.from_device(outputs[0]) for outputs in run.outputs])
    fault = difference(actual, samples, result.scale)
    if fault:
        return Result(case, None, fault, wrong=True, seconds=seconds)
    assert run.instructions is not None
    assert run.stack_bytes is not None
    figure = Figure(run.instructions[-1], run.arena_bytes, run.flash_bytes, run.stack_bytes)
    return Result(case, figure, seconds=seconds)


def difference(actual: np.ndarray, samples: Samples, scale: float | None) -> str:
    """The fault of outputs in words; "" for right outputs."""
    if samples.exact:
        same = np.array_equal(actual, samples.outputs)
        return "" if same else "its outputs are not bit for bit the recorded ones"
    assert scale is not None
    steps = float(np.abs(actual - samples.outputs).max() / scale)
    if steps > MOST_STEPS + 0.01:
        return f"its outputs are {steps:.1f} steps from the recorded ones"
    same = np.array_equal(actual.argmax(-1), samples.outputs.argmax(-1))
    return "" if same else "its most probable class is not the recorded one"


def _recorded(name: str) -> tuple[IRModule, Samples]:
    model = MODELS[name]
    with np.load(model.recorded) as archive:
        samples = Samples(archive["inputs"][:SAMPLES], archive["outputs"][:SAMPLES], model.exact)
    return tvm_tiny.from_file(model.path), samples


def _digits() -> tuple[IRModule, Samples]:
    """The network of the demonstration, and its outputs by the portable kernels on the host."""
    import onnx

    from tvm_tiny.demo import demo
    from tvm_tiny.demo.network import train
    from tvm_tiny.frontend.onnx import from_onnx

    with demo.Demo("microbit") as run:
        data = run.digits
    training = data.part(0, demo.TRAINING_IMAGES)
    network = train(training.images, training.labels, demo.SEED)
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        path = Path(work) / "digits.onnx"
        onnx.save(network.to_onnx(), path)
        calibration = {"image": data.images[: demo.CALIBRATION_IMAGES]}
        module = from_onnx(path, calibrate=calibration)
        inputs = data.images[demo.TRAINING_IMAGES :][:SAMPLES]
        return module, Samples(inputs, _on_this_machine(module, inputs, Path(work)), exact=True)


def _on_this_machine(module: IRModule, inputs: np.ndarray, work: Path) -> np.ndarray:
    model = tvm_tiny.build(module, "host", kernels=PORTABLE)
    model.save(work / "host", folder=True)
    (source,), (result,) = model.program.interface.inputs, model.program.interface.outputs
    feeds = [[source.to_device(sample)] for sample in _one_by_one(inputs)]
    run = build_firmware(work / "host", "host", work).run(feeds)
    return np.concatenate([result.from_device(outputs[0]) for outputs in run.outputs])


def _one_by_one(inputs: np.ndarray) -> Iterator[np.ndarray]:
    """The samples [1, ...] of an array [SAMPLES, ...]."""
    return (inputs[k : k + 1] for k in range(len(inputs)))
