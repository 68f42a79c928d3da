"""Plans of a large network: their size, and that every one is proven."""

from __future__ import annotations

import pytest
from modelgen.mobilenet import mobilenet_v2

import tvm_tiny
from tvm_tiny.checker import check_plan
from tvm_tiny.frontend.tflite import from_tflite


@pytest.fixture(scope="module")
def mobilenet_224():
    return from_tflite(mobilenet_v2(224))


@pytest.mark.parametrize(
    ("options", "most"), [({"minimize": True}, 200_000), ({"stream_input": True}, 130_000)]
)
def test_mobilenet_at_224_streams_in_little_more_than_its_rows(mobilenet_224, options, most):
    compiled = tvm_tiny.build(mobilenet_224, **options)
    assert compiled.workspace_bytes <= most
    check_plan(compiled.module)
