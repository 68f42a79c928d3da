"""Random models over the whole operator list: C on this machine equals the integer reference.

A sample; scripts/nightly runs thousands. A failure prints the seed that rebuilds its model.
"""

from __future__ import annotations

import pytest
from modelgen import random_onnx, random_tflite
from random_check import (
    MEMORY,
    Case,
    failures,
    graphs,
    onnxruntime_failures,
    single_operators,
    tflm_failures,
    unequal_graphs,
)
from tools import require_package


@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("model_format", ["tflite", "onnx"])
def test_every_operator_alone(model_format, part, tmp_path):
    cases = single_operators(model_format, 0, 2)[part::4]
    assert list(failures(cases, tmp_path)) == []


@pytest.mark.parametrize("model_format", ["tflite", "onnx"])
def test_random_graphs(model_format, tmp_path):
    assert list(failures(graphs(model_format, 1000, 24), tmp_path)) == []


@pytest.mark.parametrize("model_format", ["tflite", "onnx"])
def test_random_graphs_of_unequal_quantization(model_format, tmp_path):
    assert list(failures(unequal_graphs(model_format, 4000, 24), tmp_path)) == []


def test_each_step_of_unequal_graphs_is_within_one_integer_of_onnxruntime():
    require_package("onnxruntime")
    assert list(onnxruntime_failures(unequal_graphs("onnx", 4000, 60))) == []


def test_random_graphs_on_tflm():
    require_package("tflite_micro", "the oracle is an optional package")
    assert list(tflm_failures(0, 20)) == []


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("model_format", ["tflite", "onnx"])
def test_random_graphs_as_streams(model_format, memory, tmp_path):
    assert list(failures(graphs(model_format, 2000, 12, MEMORY[memory]), tmp_path)) == []


@pytest.mark.parametrize("kernels", ["dsp", "mve", "portable"])
def test_random_graphs_with_other_kernels(kernels, tmp_path):
    """The micro-kernels' portable forms; the host's own are `plain`."""
    assert list(failures(graphs("tflite", 3000, 24, kernels=kernels), tmp_path)) == []


def test_graphs_that_once_failed_as_streams(tmp_path):
    """Padding before the first pushed row; results over dying tensors of another type."""
    seeds = {"pushed": (113, 81), "least": (6, 12)}
    cases = [Case("tflite", "", s, MEMORY[kind]) for kind, of in seeds.items() for s in of]
    assert list(failures(cases, tmp_path)) == []


def test_every_operator_of_the_generators_is_drawn():
    assert {c.operator for c in single_operators("tflite", 0, 1)} == set(random_tflite.OPERATORS)
    assert {c.operator for c in single_operators("onnx", 0, 1)} == set(random_onnx.OPERATORS)
