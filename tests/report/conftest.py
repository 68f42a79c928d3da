"""A small network, compiled in several ways, reports on it, and a browser to look at them."""

from __future__ import annotations

import pytest
from modelgen.inverted_residual import inverted_residual

import tvm_tiny
from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.report import collect


@pytest.fixture(scope="session")
def network():
    """The network as a Relax module."""
    return from_tflite(inverted_residual())


@pytest.fixture(scope="session")
def report_on(network):
    """`report_on(minimize=True)` -> the report."""

    def make(front=False, mod=network, **options):
        compiled = tvm_tiny.build(mod, **options)
        return collect(mod, compiled, options, model="small.tflite", front=front)

    return make
