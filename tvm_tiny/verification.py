"""Runs a compiled model on a board and compares every step with the NumPy reference."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .build import CompiledModel
from .errors import VerificationError
from .micro.firmware import RunResult, build_firmware
from .passes.fold_constant_channels import folded_channels
from .reference import ONNXReference, TFLiteReference
from .samples import Sample
from .schedules.stages.stage import SHIFT

# Relative to a tensor's largest value: a board computes floats with libm, the reference with
# NumPy.
FLOAT_TOLERANCE = 1e-5

# Layouts of a compiled tensor, by rank: the model's own, or NHWC (NWC) where the model has NCHW.
_PERMUTATIONS: dict[int, tuple[tuple[int, ...], ...]] = {
    3: ((0, 1, 2), (0, 2, 1)),
    4: ((0, 1, 2, 3), (0, 2, 3, 1)),
}


@dataclass(frozen=True)
class Difference:
    """A tensor of one sample in which board and reference differ.

    step             index of the step; None for an output in the model's form
    count            number of its `elements` that differ
    first_index      index of the first of them in `shape`
    expected, found  the reference's and the board's value there
    """

    step: int | None
    op: str
    tensor: str
    sample: int
    shape: tuple[int, ...]
    elements: int
    count: int
    max_difference: float
    first_index: tuple[int, ...]
    expected: float
    found: float

    def __str__(self) -> str:
        where = "output" if self.step is None else f"step {self.step}, {self.op}"
        return (
            f"tensor '{self.tensor}' ({where}), sample {self.sample}: {self.count} of "
            f"{self.elements} values differ by up to {self.max_difference:g}; first at "
            f"{list(self.first_index)}: expected {self.expected:g}, found {self.found:g}"
        )


@dataclass(frozen=True)
class Verification:
    """The outcome of a comparison.

    compared     names of the tensors of steps that were compared
    skipped      names of those that the reference does not have
    values       number of values compared
    differences  by sample, then by step; the first one usually causes the others
    """

    samples: int
    compared: tuple[str, ...]
    skipped: tuple[str, ...]
    values: int
    differences: tuple[Difference, ...]


def verify(
    model: CompiledModel,
    reference: TFLiteReference | ONNXReference,
    board: str,
    samples: Sequence[Sample],
    timeout_s: float = 600.0,
) -> Verification:
    """Runs samples on a board with all steps traced, and compares every tensor.

    samples: in the model's form. Differences are part of the result. Raises VerificationError if
    there was nothing to compare, and the errors of building and running firmware.
    """
    with tempfile.TemporaryDirectory(prefix="tvm-tiny-") as name:
        folder = Path(name)
        model.save(folder / "mlf", folder=True)
        firmware = build_firmware(folder / "mlf", board, folder, trace=True)
        ports = model.program.interface.inputs
        inputs = [
            [port.to_device(array) for port, array in zip(ports, sample, strict=True)]
            for sample in samples
        ]
        result = firmware.run(inputs, timeout_s)
    return _compare(model, reference, samples, result)


def _compare(
    model: CompiledModel,
    reference: TFLiteReference | ONNXReference,
    samples: Sequence[Sample],
    result: RunResult,
) -> Verification:
    compared: dict[str, None] = {}
    skipped: dict[str, None] = {}
    differences: list[Difference] = []
    values = 0
    channels = folded_channels(model.module)
    for number, sample in enumerate(samples):
        expected = _Expected(reference.run(sample))
        for step, op, tensor, found in _tensors(model, result, number):
            wanted = expected.find(tensor)
            if wanted is None:
                skipped[tensor] = None
                continue
            compared[tensor] = None
            values += int(np.ma.count(found))
            left = channels.get(tensor)
            difference = _difference(found, wanted, step, op, tensor, number, left)
            differences += [] if difference is None else [difference]
    if not compared:
        raise VerificationError(
            f"model '{model.program.name}': nothing to compare: the reference knows none of its "
            f"{len(skipped)} tensors"
        )
    return Verification(len(samples), tuple(compared), tuple(skipped), values, tuple(differences))


class _Expected:
    """The reference's tensors by name.

    Relax replaces characters of variables' names where a pass rebuilds a function (a dot becomes
    an underscore), so an unknown name may still stand for one tensor.
    """

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        self._tensors = tensors
        self._by_plain_name: dict[str, list[str]] = {}
        for name in tensors:
            self._by_plain_name.setdefault(_plain(name), []).append(name)

    def find(self, name: str) -> np.ndarray | None:
        """The tensor of a name; None for an unknown or ambiguous name."""
        names = [name] if name in self._tensors else self._by_plain_name.get(_plain(name), [])
        return self._tensors[names[0]] if len(names) == 1 else None


def _plain(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _tensors(
    model: CompiledModel, result: RunResult, sample: int
) -> Iterator[tuple[int | None, str, str, np.ndarray]]:
    """Step, operator, name and value of each tensor from the board, outputs last."""
    assert result.trace is not None
    for call in model.program.calls:
        # A step with several results is traced under one index, so the trace has only the last
        # result; a shift of rows computes nothing.
        if len(call.outputs) == 1 and call.op != SHIFT:
            yield call.index, call.op, call.name, result.trace[sample][call.index]
    for port, array in zip(model.program.interface.outputs, result.outputs[sample], strict=True):
        yield None, "output", port.name, port.from_device(array)


def _difference(
    found: np.ndarray,
    wanted: np.ndarray,
    step: int | None,
    op: str,
    tensor: str,
    sample: int,
    channels: Sequence[int] | None,
) -> Difference | None:
    """The difference in the layout with fewest differing values; None if there is none.

    channels: the channels of `wanted` that are in `found`; None for all.
    """
    layouts = _layouts(wanted, found.shape, channels)
    if not layouts or found.dtype != wanted.dtype:
        raise VerificationError(
            f"tensor '{tensor}' ({op}) is {found.dtype} {list(found.shape)}, in the reference "
            f"{wanted.dtype} {list(wanted.shape)}"
        )
    candidates = [_against(found, layout) for layout in layouts]
    if any(not wrong.any() for wrong, _ in candidates):
        return None
    wrong, expected = min(candidates, key=lambda item: int(item[0].sum()))
    first = tuple(int(k) for k in np.argwhere(wrong)[0])
    with np.errstate(invalid="ignore"):  # inf - inf
        distance = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    return Difference(
        step=step,
        op=op,
        tensor=tensor,
        sample=sample,
        shape=found.shape,
        elements=found.size,
        count=int(wrong.sum()),
        max_difference=float(distance.max()),
        first_index=first,
        expected=float(expected[first]),
        found=float(found[first]),
    )


def _layouts(
    wanted: np.ndarray, shape: tuple[int, ...], channels: Sequence[int] | None
) -> list[np.ndarray]:
    """All layouts of `wanted` that have the compiled tensor's shape.

    A reshape without moving values may give the model's tensor other axes.
    """
    own = tuple(range(wanted.ndim))
    moved = [wanted.transpose(p) for p in _PERMUTATIONS.get(wanted.ndim, (own,))]
    if channels is not None:
        moved = [m[..., channels] for m in moved if m.shape[-1] > max(channels)]
    fitting = [array for array in moved if array.shape == shape]
    if not fitting and channels is None and wanted.size == int(np.prod(shape, dtype="int64")):
        fitting = [array.reshape(shape) for array in moved]
    return fitting


def _against(found: np.ndarray, expected: np.ndarray) -> tuple[Any, np.ndarray]:
    """A mask of values that differ, integers in any bit, floats beyond the tolerance.

    Also gives the expected values.
    """
    if found.dtype.kind != "f":
        return found != expected, expected
    largest = float(np.abs(expected).max(initial=0.0))
    close = np.isclose(found, expected, rtol=FLOAT_TOLERANCE, atol=FLOAT_TOLERANCE * largest)
    return ~close, expected
