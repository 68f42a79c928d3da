"""Random models compiled to C and run on this machine, against the integer reference.

In tests: `failures(cases, folder)`. From the command line (see scripts/nightly):

    python tests/random_check.py tflite 0 500        random graphs, seeds 0 .. 499
    python tests/random_check.py onnx-ops 0 5        every operator alone, seeds 0 .. 4
    python tests/random_check.py tflite-least 0 500  graphs with the least SRAM
    python tests/random_check.py tflite-pushed 0 500 graphs that take their input row by row
    python tests/random_check.py tflite-budget 0 500 graphs with some more than the least SRAM
    python tests/random_check.py tflite-unequal 0 500 graphs with copies of another quantization
    python tests/random_check.py onnx-unequal 0 500  graphs whose pairs differ, against onnxruntime
    python tests/random_check.py tflite-tflm 0 500   the reference against TensorFlow Lite Micro

`tflm` needs the package `tflite_micro` and runs graphs of both kinds, plain and unequal.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime_steps
import tflm
from aot.host_library import HostModel, build_library
from modelgen import random_onnx, random_tflite
from tvm.ir import IRModule

import tvm_tiny
from tvm_tiny.errors import TvmTinyError, UnsupportedError
from tvm_tiny.reference import ONNXReference, Rounding, TFLiteReference

GENERATORS = {"tflite": random_tflite, "onnx": random_onnx}
# A budget decides between these and ones that need less memory.
KERNELS = ("dsp", "mve", "plain", "portable")
BATCH, SAMPLES = 12, 4
SECONDS = 20


@dataclass(frozen=True)
class Case:
    """One model: `format` is "tflite" or "onnx", `operator` is empty for a random graph.

    memory: options of the build; empty for layers. kernels: "dsp" and so on, empty for the
    host's. unequal: results that are copies have quantization of their own (TFLite), or any
    QuantizeLinear and DequantizeLinear differ (ONNX).
    """

    format: str
    operator: str
    seed: int
    memory: tuple[str, ...] = ()
    kernels: str = ""
    unequal: bool = False

    def __str__(self) -> str:
        words = (self.format, self.operator or "graph", *self.memory, self.kernels)
        words += ("unequal",) * self.unequal
        return " ".join([*filter(None, words), "seed", str(self.seed)])

    @property
    def data(self) -> bytes:
        generator = GENERATORS[self.format]
        if self.operator:
            return generator.single_op_model(self.operator, self.seed)
        if self.unequal:
            return generator.random_model(self.seed, unequal=True)
        return generator.random_model(self.seed)


MEMORY = {
    "least": ("minimize",),
    "pushed": ("minimize", "stream_input"),
    "budget": ("sram",),
}


def graphs(
    model_format: str, start: int, count: int, memory: tuple[str, ...] = (), kernels: str = ""
) -> list[Case]:
    return [Case(model_format, "", seed, memory, kernels) for seed in range(start, start + count)]


def unequal_graphs(model_format: str, start: int, count: int) -> list[Case]:
    return [Case(model_format, "", seed, unequal=True) for seed in range(start, start + count)]


def single_operators(model_format: str, start: int, count: int) -> list[Case]:
    return [
        Case(model_format, operator, seed)
        for operator in GENERATORS[model_format].OPERATORS
        for seed in range(start, start + count)
    ]


def compile_case(case: Case, name: str, folder: Path) -> tvm_tiny.CompiledModel:
    """Seeds vary the options too: edges folded or not, buffers in the arena or the caller's.

    Where an input has no rows to push, it stays whole.
    """
    path = folder / f"model.{case.format}"
    path.write_bytes(case.data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mod = tvm_tiny.from_file(path)
        options = {"name": name}
        options |= {"kernels": case.kernels or None}
        options |= {"fold_edges": case.seed % 3 != 0, "io_in_arena": case.seed % 4 != 0}
        if "sram" in case.memory:
            options["kernels"] = KERNELS[case.seed // 5 % len(KERNELS)]
            return tvm_tiny.build(mod, **options, sram=_budget(mod, options, case.seed))
        options |= dict.fromkeys(case.memory, True)
        if "stream_input" not in case.memory:
            return tvm_tiny.build(mod, **options)
        try:
            return tvm_tiny.build(mod, **options | {"io_in_arena": True})
        except UnsupportedError as error:
            if "streamed input: " not in str(error):
                raise
            return tvm_tiny.build(mod, **options | {"stream_input": False})


def _budget(mod: IRModule, options: Mapping[str, Any], seed: int) -> int:
    """Between the least that the model fits, by any kernels, and what it takes layer by layer."""
    least = tvm_tiny.build(mod, **options | {"kernels": "portable"}, minimize=True).workspace_bytes
    layers = tvm_tiny.build(mod, **options).workspace_bytes
    return least + (layers - least) * (seed % 8) // 8


def failures(cases: Iterable[Case], folder: Path) -> Iterator[str]:
    """A line for each case whose C does not compute what the reference does."""
    queue = iter(cases)
    for number in itertools.count():
        batch = list(itertools.islice(queue, BATCH))
        if not batch:
            return
        place = folder / f"batch_{number}"
        place.mkdir()
        yield from batch_failures(batch, place)


def batch_failures(batch: Sequence[Case], folder: Path) -> Iterator[str]:
    compiled: dict[str, tuple[Case, tvm_tiny.CompiledModel]] = {}
    for position, case in enumerate(batch):
        name = f"m{position}"
        try:
            compiled[name] = case, compile_case(case, name, folder)
        except Exception as error:  # whatever it is, it is a finding
            yield f"{case}: {type(error).__name__}: {last_line(error)}"
    if not compiled:
        return
    try:
        library = build_library([model for _, model in compiled.values()], folder)
    except AssertionError as error:
        if len(batch) == 1:
            yield f"{batch[0]}: does not compile: {_first_error(error)}"
            return
        for position, case in enumerate(batch):
            alone = folder / f"alone_{position}"
            alone.mkdir()
            yield from batch_failures([case], alone)
        return
    for name, (case, _) in compiled.items():
        yield from (f"{case}: {problem}" for problem in differences(case, library[name]))


def differences(case: Case, model: HostModel) -> Iterator[str]:
    """What differs from the reference, a line an output and sample."""
    data = case.data
    try:
        reference = (
            TFLiteReference(data)
            if case.format == "tflite"
            else ONNXReference(data, Rounding.FLOAT32)
        )
    except TvmTinyError as error:
        yield f"the reference refuses it: {last_line(error)}"
        return
    feeds = GENERATORS[case.format].random_inputs(data, case.seed, SAMPLES)
    for index, feed in enumerate(feeds):
        try:
            expected = reference.run(feed)
        except TvmTinyError as error:
            yield f"sample {index}: the reference refuses it: {last_line(error)}"
            return
        try:
            actual = model.infer(feed)
        except AssertionError as error:
            yield f"sample {index}: {error}"
            return
        for info, found in zip(reference.outputs, actual, strict=True):
            wanted = expected[info.name]
            if found.dtype != wanted.dtype or found.shape != wanted.shape:
                yield (
                    f"output {info.name!r} is {found.dtype} {found.shape}, "
                    f"expected {wanted.dtype} {wanted.shape}"
                )
            elif not np.array_equal(found, wanted, equal_nan=wanted.dtype.kind == "f"):
                gap = np.abs(found.astype(float) - wanted.astype(float))
                yield (
                    f"sample {index}, output {info.name!r}: {np.count_nonzero(gap)} of {gap.size} "
                    f"differ, by {gap.max():g} at most"
                )


# Operators that TFLM refuses in int8, and those whose results are not followed (docs/numerics.md).
NOT_AS_TFLM = frozenset(
    {
        *("CEIL", "COS", "EXP", "FLOOR", "GELU", "LOG", "NEG", "ROUND", "RSQRT", "SIN", "SQRT"),
        *("SQUARE", "TILE", "DIV", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"),
    }
)


def tflm_failures(start: int, count: int) -> Iterator[str]:
    """A line for each random graph whose integer reference is not what TFLM computes."""
    operators = [code for code in random_tflite.OPERATORS if code not in NOT_AS_TFLM]
    for seed, unequal in itertools.product(range(start, start + count), (False, True)):
        data = random_tflite.random_model(seed, unequal=unequal, operators=operators)
        label = f"seed {seed}{', unequal' if unequal else ''}"
        feeds = random_tflite.random_inputs(data, seed, SAMPLES)
        try:
            found = tflm.outputs(data, feeds)
        except tflm.RefusedError as error:
            print(f"{label}: {error}", file=sys.stderr)
            continue
        yield from (f"{label}: {gap}" for gap in _gaps(TFLiteReference(data), feeds, found))


def _gaps(
    reference: TFLiteReference,
    feeds: Sequence[Sequence[np.ndarray]],
    found: Sequence[Sequence[np.ndarray]],
) -> Iterator[str]:
    for index, (feed, arrays) in enumerate(zip(feeds, found, strict=True)):
        expected = reference.run(feed)
        for info, array in zip(reference.outputs, arrays, strict=True):
            gap = array.astype(float) - expected[info.name].reshape(array.shape)
            if gap.any():
                yield f"sample {index}, output {info.name!r}: by {abs(gap).max():g}"


def onnxruntime_failures(cases: Iterable[Case]) -> Iterator[str]:
    """A line for each step that the reference computes over one integer off onnxruntime's."""
    count, equal, whole = 0, 0, 0
    for case in cases:
        data = case.data
        # The first two are one value everywhere, which onnxruntime normalizes by its own noise.
        feeds = random_onnx.random_inputs(data, case.seed, 2 + SAMPLES)[2:]
        try:
            found = list(onnxruntime_steps.steps(data, feeds))
        except onnxruntime_steps.RefusedError as error:
            print(f"{case}: {error}", file=sys.stderr)
            continue
        gaps = [step.gap for step in found]
        count, equal = count + len(gaps), equal + gaps.count(0)
        whole += not any(gaps)
        for step in found:
            if step.gap > 1:
                yield f"{case}: {step.operators} (tensor {step.tensor!r}): by {step.gap}"
    print(f"onnxruntime: {count} steps, {equal} equal; {whole} models equal", file=sys.stderr)


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    def expired(number: int, frame: object) -> None:
        raise TimeoutError(f"not done after {SECONDS} s")

    previous = signal.signal(signal.SIGALRM, expired)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def last_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[-1][:300]


def _first_error(error: BaseException) -> str:
    lines = str(error).splitlines()
    return next((line for line in lines if "error:" in line), lines[-1])[:300]


def main() -> int:
    parser = argparse.ArgumentParser(description="random models: C against the reference")
    parser.add_argument(
        "what",
        help="tflite, onnx, or either with -ops, -least, -pushed, -budget or -unequal; tflite-tflm",
    )
    parser.add_argument("start", type=int)
    parser.add_argument("count", type=int)
    arguments = parser.parse_args()
    model_format, _, kind = arguments.what.partition("-")
    start, count = arguments.start, arguments.count
    with tempfile.TemporaryDirectory(prefix="tvm_tiny-") as name:
        folder = Path(name)
        if kind == "tflm":
            found = tflm_failures(start, count)
        elif kind == "unequal":
            cases = unequal_graphs(model_format, start, count)
            found = itertools.chain(
                failures(cases, folder),
                onnxruntime_failures(cases) if model_format == "onnx" else (),
            )
        else:
            cases = (
                single_operators(model_format, start, count)
                if kind == "ops"
                else graphs(model_format, start, count, MEMORY.get(kind, ()))
            )
            found = failures(cases, folder)
        problems = 0
        for problem in found:
            problems += 1
            print(problem, flush=True)
    print(f"{arguments.what} {start}..{start + count - 1}: {problems} problems", flush=True)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
