"""Convolutions between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND are dilated ones."""

from __future__ import annotations

import numpy as np
import pytest
from modelgen.draw import Draw, Quant
from modelgen.tflite_builder import Builder
from modelgen.tflite_operators.graph import Graph
from modelgen.tflite_operators.weights import draw_weights
from tflite_checks import operators, run, sample

from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.reference import TFLiteReference
from tvm_tiny.transform import LowerQDQ

BLOCK = 3


def temporal(zero_point: int, rank: int, stride: int = 1) -> bytes:
    """A causal convolution of [1, 10, 2] as Keras writes it: of images, or of sequences."""
    graph = Graph(Draw(1), Builder())
    builder = graph.builder
    x = builder.input((1, 10, 1, 2)[:rank] if rank == 4 else (1, 10, 2), Quant(0.1, zero_point))
    widths = [[6, 2], [0, 0]][: rank - 2]
    blocks = builder.ints("blocks", [BLOCK, 1][: rank - 2])
    inputs = [x, blocks, builder.ints("paddings", widths)]
    split = (BLOCK, 6, 1, 2) if rank == 4 else (BLOCK, 6, 2)
    parts = builder.operator("SPACE_TO_BATCH_ND", inputs, split, builder.copied(x))
    image = parts if rank == 4 else builder.expand_dims(parts, -3)
    kernel = (3, 1) if rank == 4 else (1, 3)
    weights, scales, bias, out = draw_weights(graph, image, (4, *kernel, 2), 0, 6, per_tensor=0.0)
    steps = (stride, 1) if rank == 4 else (1, stride)
    y = builder.conv2d(image, weights, scales, bias, out, padding="VALID", stride=steps)
    y = y if rank == 4 else builder.reshape(y, (BLOCK, y.shape[2], 4))
    length = y.shape[1] * BLOCK
    crops = builder.ints("crops", [[0, 2], [0, 0]][: rank - 2])
    shape = (1, length - 2, *y.shape[2:])
    joined = builder.operator("BATCH_TO_SPACE_ND", [y, blocks, crops], shape, builder.copied(y))
    return builder.finish([joined])


@pytest.mark.parametrize("rank", [3, 4])
@pytest.mark.parametrize("zero_point", [0, -7])
def test_is_one_dilated_convolution(rank: int, zero_point: int) -> None:
    model = temporal(zero_point, rank)
    lowered = LowerQDQ()(from_tflite(model))
    names = [name for name in operators(lowered) if name != "reshape"]
    assert names == ["tvm_tiny.pad", "tvm_tiny.qconv2d"]
    reference = TFLiteReference(model)
    x = sample(reference.inputs[0].shape)
    (y,) = run(lowered, x)
    np.testing.assert_array_equal(y, reference.run([x])[reference.outputs[0].name])


def test_a_stride_between_them_is_kept() -> None:
    names = operators(from_tflite(temporal(0, 4, stride=2)))
    assert names.count("permute_dims") == 2
