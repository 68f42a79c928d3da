"""Damaged models: each is refused in one line, or its C computes what the reference does.

From the command line:

    python tests/fuzz_check.py tflite 0 20     mutations of the random models of seeds 0 .. 19
    python tests/fuzz_check.py onnx 0 20
    python tests/fuzz_check.py calibrate 0 20  float models and their samples, either one damaged
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from float_models import float_model
from modelgen.mutate import mutations
from random_check import Case, batch_failures, last_line, time_limit

import tvm_tiny
from tvm_tiny.errors import TvmTinyError
from tvm_tiny.frontend.onnx import from_onnx

# Larger ones compile for minutes and show nothing new.
LIMITS = {"sram": 1 << 20, "flash": 1 << 20}
MUTATIONS, BATCH = 100, 12


@dataclass(frozen=True)
class Damaged(Case):
    """A mutation of the model that its seed makes."""

    label: str = ""
    content: bytes = b""

    def __str__(self) -> str:
        return f"{super().__str__()}: {self.label}"

    @property
    def data(self) -> bytes:
        return self.content


def accepted(model_format: str, start: int, count: int, folder: Path) -> Iterator[Damaged | str]:
    """Mutations that compile, and a line for each that ends in anything but a refusal."""
    for seed in range(start, start + count):
        data = Case(model_format, "", seed).data
        for label, content in mutations(data, seed, MUTATIONS):
            case = Damaged(model_format, "", seed, label=label, content=content)
            path = folder / f"model.{model_format}"
            path.write_bytes(content)
            # A mutation that crashes the process is the last line of the log.
            print(case, file=sys.stderr, flush=True)
            try:
                with time_limit(), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    tvm_tiny.build(tvm_tiny.from_file(path), **LIMITS)
                yield case
            except TvmTinyError as error:
                if "\n" in str(error) or not str(error):
                    yield f"{case}: its refusal is not one line: {error}"
            except Exception as error:  # what a fuzz test is for: any other kind is a finding
                yield f"{case}: {type(error).__name__}: {last_line(error)}"


def model_failures(model_format: str, start: int, count: int, folder: Path) -> Iterator[str]:
    """A line for each mutation that crashes or computes something else than the reference."""
    found = accepted(model_format, start, count, folder)
    ran = 0
    for number in itertools.count():
        batch: list[Case] = []
        for item in found:
            if isinstance(item, str):
                yield item
            else:
                batch.append(item)
            if len(batch) == BATCH:
                break
        if not batch:
            print(f"{ran} mutations compiled and compared", flush=True)
            return
        place = folder / f"batch_{number}"
        place.mkdir()
        ran += len(batch)
        yield from batch_failures(batch, place)


def calibration_failures(start: int, count: int, folder: Path) -> Iterator[str]:
    """A line for each damaged float model or samples file that ends in neither C nor a refusal."""
    model, samples = folder / "model.onnx", folder / "samples.npz"
    for seed in range(start, start + count):
        whole = float_model(seed)
        np.savez(samples, np.random.default_rng(seed).normal(size=(4, 3, 8, 8)).astype("float32"))
        for path, data in ((model, whole), (samples, samples.read_bytes())):
            model.write_bytes(whole)
            for label, content in mutations(data, seed, MUTATIONS // 4):
                path.write_bytes(content)
                print(f"seed {seed}, {path.name}: {label}", file=sys.stderr, flush=True)
                try:
                    with time_limit(), warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        tvm_tiny.build(from_onnx(model, samples), **LIMITS)
                except TvmTinyError:
                    continue
                except Exception as error:
                    yield f"seed {seed}, {path.name}: {label}: {type(error).__name__}: {error}"
            path.write_bytes(data)


def main() -> int:
    parser = argparse.ArgumentParser(description="damaged models: refused, or right")
    parser.add_argument("what", choices=("tflite", "onnx", "calibrate"))
    parser.add_argument("start", type=int)
    parser.add_argument("count", type=int)
    arguments = parser.parse_args()
    span = arguments.start, arguments.count
    with tempfile.TemporaryDirectory(prefix="tvm_tiny-") as name:
        folder = Path(name)
        found = (
            calibration_failures(*span, folder)
            if arguments.what == "calibrate"
            else model_failures(arguments.what, *span, folder)
        )
        problems = 0
        for problem in found:
            problems += 1
            print(problem, flush=True)
    print(f"{arguments.what}: {problems} problems", flush=True)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
