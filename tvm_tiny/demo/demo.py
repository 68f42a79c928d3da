"""Trains, quantizes and compiles a network, and runs it on a microcontroller."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType

import numpy as np
import onnx

from tvm_tiny.aot import write_folder
from tvm_tiny.build import CompiledModel, build
from tvm_tiny.errors import DataError, ToolchainError
from tvm_tiny.frontend.onnx import from_onnx
from tvm_tiny.micro.boards import find_board
from tvm_tiny.micro.firmware import build_firmware

from .network import Network, train

SEED = 0
TRAINING_IMAGES = 1437  # of 1797 images; the others are for the test
CALIBRATION_IMAGES = 200
_EXTRAS = {"sklearn": "scikit-learn", "onnxruntime": "onnxruntime"}


@dataclass(frozen=True)
class Digits:
    """Images [n, 1, 8, 8], float32 from 0 to 1, with their digits."""

    images: np.ndarray
    labels: np.ndarray

    def part(self, start: int, end: int | None) -> Digits:
        """The digits [start, end)."""
        return Digits(self.images[start:end], self.labels[start:end])


@dataclass(frozen=True)
class Outcome:
    """Results of the demonstration.

    float_accuracy   share of the test images that the float network recognises
    device_accuracy  share of them that the board recognises
    instructions     count of the slowest inference; None on the host
    """

    target: str
    test_images: int
    float_accuracy: float
    device_accuracy: float
    arena_bytes: int
    flash_bytes: int
    model_flash_bytes: int
    stack_bytes: int | None
    instructions: int | None
    macs: int


class Demo:
    """One run of the demonstration; its steps are `train`, `compile` and `run`.

    board   name of the board
    output  folder in which model and C are kept; None: they are not kept

    Raises DataError for an unknown board or a folder that is not empty, ToolchainError where an
    optional package is missing.
    """

    def __init__(self, board: str, output: Path | None = None) -> None:
        self._board = find_board(board)
        check_extras()
        if output is not None:
            _check_output(output)
        self._output = output
        self._folder = Path(tempfile.mkdtemp(prefix="tvm-tiny-demo-"))
        self._network: Network
        self._compiled: CompiledModel

    def __enter__(self) -> Demo:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    @cached_property
    def digits(self) -> Digits:
        """The digits of scikit-learn, shuffled."""
        from sklearn.datasets import load_digits

        data = load_digits()
        order = np.random.default_rng(SEED).permutation(len(data.target))
        images = (data.images[order, None] / 16).astype(np.float32)
        return Digits(images, data.target[order])

    @property
    def test(self) -> Digits:
        """The images on which the network was not trained."""
        return self.digits.part(TRAINING_IMAGES, None)

    def train(self) -> None:
        """Trains the network, and writes it as digits.onnx."""
        data = self.digits.part(0, TRAINING_IMAGES)
        self._network = train(data.images, data.labels, SEED)
        onnx.save(self._network.to_onnx(), self._folder / "digits.onnx")

    def compile(self) -> None:
        """Quantizes with some of the training images, and compiles for the board's processor."""
        samples = {"image": self.digits.images[:CALIBRATION_IMAGES]}
        module = from_onnx(self._folder / "digits.onnx", calibrate=samples)
        self._compiled = build(module, self._board.target.name, name="digits")
        self._compiled.save(self._folder / "digits", folder=True)

    def run(self) -> Outcome:
        """Runs the test images on the board."""
        ports = self._compiled.program.interface
        with tempfile.TemporaryDirectory(prefix="tvm-tiny-") as work:
            firmware = build_firmware(self._folder / "digits", self._board.name, Path(work))
            result = firmware.run(
                [[ports.inputs[0].to_device(image[None])] for image in self.test.images]
            )
        scores = np.concatenate([ports.outputs[0].from_device(out[0]) for out in result.outputs])
        self._keep()
        return Outcome(
            target=self._board.target.name,
            test_images=len(self.test.labels),
            float_accuracy=_accuracy(self._network.scores(self.test.images), self.test.labels),
            device_accuracy=_accuracy(scores, self.test.labels),
            arena_bytes=result.arena_bytes,
            flash_bytes=result.flash_bytes,
            model_flash_bytes=result.model_flash_bytes,
            stack_bytes=result.stack_bytes,
            instructions=None if result.instructions is None else max(result.instructions),
            macs=self._compiled.program.macs,
        )

    def _keep(self) -> None:
        if self._output is not None:
            found = (path for path in sorted(self._folder.rglob("*")) if path.is_file())
            files = {path.relative_to(self._folder).as_posix(): path.read_bytes() for path in found}
            write_folder(files, self._output)


def _accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    return float((scores.argmax(axis=1) == labels).mean())


def check_extras() -> None:
    """Raises ToolchainError with the names of missing optional packages."""
    missing = [name for module, name in _EXTRAS.items() if not importlib.util.find_spec(module)]
    if missing:
        raise ToolchainError(
            f"the demo needs {' and '.join(missing)}: "
            "install with pip install 'tvm-tiny[demo,calibrate]'"
        )


def _check_output(path: Path) -> None:
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise DataError(f"output '{path}' is not an empty folder; remove it or choose another")
    if not path.absolute().parent.is_dir():
        raise DataError(f"output '{path}': the folder {path.absolute().parent} does not exist")
