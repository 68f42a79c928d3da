"""What supported-ops lists compiles, and computes what the reference does."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from listed_models import Entry, entries, has_generator, listed_model
from random_check import Case, failures
from tools import require

import tvm_tiny
from tvm_tiny import transform
from tvm_tiny.cli.operator_tables import Listed, listed
from tvm_tiny.micro import BOARDS, build_firmware
from tvm_tiny.passes.lower_qdq import FloatFallbackWarning
from tvm_tiny.toolchain import ARM_GCC, QEMU_ARM

FORMATS = ("tflite", "onnx")
# Their models here are not of one form: indices become floats again, to be quantized; and a power
# with a constant exponent is a table, with others it is in float.
_OF_BOTH_FORMS = frozenset({"ArgMax", "ArgMin", "Cast", "POW"})
# Of the batches that a quick run takes one of, and of the entries that run on a board.
QUICK, ON_BOARD = 11, 23


@dataclass(frozen=True)
class ListedCase(Case):
    """A model of one form of an entry."""

    entry: Entry | None = None

    def __str__(self) -> str:
        return f"{self.entry} seed {self.seed}"

    @property
    def data(self) -> bytes:
        assert self.entry is not None
        return listed_model(self.entry, self.seed)


def cases(model_format: str) -> list[ListedCase]:
    """Every form of every entry."""
    return [
        ListedCase(model_format, item.operator, 1, entry=entry)
        for item in listed(model_format)
        for entry in entries(model_format, item.operator, item.ranks, item.types)
    ]


@pytest.mark.parametrize("model_format", FORMATS)
def test_every_entry_has_a_generator(model_format):
    missing = [
        (item.operator, rank)
        for item in listed(model_format)
        for rank in item.ranks
        if not has_generator(model_format, item.operator, rank)
    ]
    assert missing == []


@pytest.mark.parametrize("model_format", FORMATS)
@pytest.mark.parametrize(
    "start", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in range(1, QUICK))]
)
def test_every_entry_compiles_and_computes_what_the_reference_does(model_format, start, tmp_path):
    assert list(failures(cases(model_format)[start::QUICK], tmp_path)) == []


@pytest.mark.slow
@pytest.mark.parametrize("model_format", FORMATS)
def test_entries_run_in_the_form_that_is_listed(model_format, tmp_path):
    items = [item for item in listed(model_format) if item.operator not in _OF_BOTH_FORMS]
    wrong = [item for item in items if _form(item, tmp_path) != item.form]
    assert wrong == []


def _form(item: Listed, folder: Path) -> str:
    entry = Entry(item.format, item.operator, item.ranks[-1], item.types[0])
    path = folder / f"model.{item.format}"
    path.write_bytes(listed_model(entry, 1))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mod = tvm_tiny.from_file(path)
        for step in (transform.ConvertLayout(), transform.FoldEdges(), transform.LowerQDQ()):
            mod = step(mod)
    in_float = any(issubclass(warning.category, FloatFallbackWarning) for warning in caught)
    return "float" if in_float else "integer"


@pytest.mark.slow
@pytest.mark.qemu
@pytest.mark.parametrize(
    "case", [case for name in FORMATS for case in cases(name)[::ON_BOARD]], ids=str
)
def test_a_sample_of_entries_runs_the_same_on_a_board(case, tmp_path):
    require(ARM_GCC, QEMU_ARM)
    results = [_run(case, board, tmp_path) for board in ("host", "mps2_an386")]
    for on_host, on_board in zip(*results, strict=True):
        np.testing.assert_array_equal(on_board, on_host)


def _run(case: ListedCase, board: str, folder: Path) -> list[np.ndarray]:
    """Outputs for inputs of zeros and ones, which every type has."""
    path, place = folder / f"model.{case.format}", folder / board
    path.write_bytes(case.data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = tvm_tiny.build(tvm_tiny.from_file(path), BOARDS[board].target.name)
    model.save(place, folder=True)
    feeds = [
        (np.arange(port.bytes // np.dtype(port.dtype).itemsize) % 2).reshape(port.shape)
        for port in model.program.interface.inputs
    ]
    ports = model.program.interface.inputs
    inputs = [feed.astype(port.dtype) for feed, port in zip(feeds, ports, strict=True)]
    return build_firmware(place, board, folder).run([inputs]).outputs[0]
