"""Pads, shapes, joins and cuts."""

from __future__ import annotations

import numpy as np
import pytest
from tflite_checks import I32, S, check_copy, check_unary, operators, run, sample
from tflite_models import IN, OUT, Affine, ModelWriter, unary_model

from tvm_tiny.frontend.tflite import from_tflite


def test_pad_fills_with_real_zero():
    amounts = np.array([[0, 0], [1, 2], [0, 1], [0, 0]], I32)
    model = unary_model("PAD", S, (1, 7, 6, 3), "PadOptions", [amounts])
    check_copy(model, lambda x: np.pad(x, amounts), ["nn.pad"], S)


def test_padv2_fills_with_its_operand():
    amounts = np.array([[0, 0], [1, 2], [0, 1], [0, 0]], np.int64)
    fill = (np.array([-128], np.int8), OUT)
    model = unary_model("PADV2", S, (1, 7, 6, 3), "PadV2Options", [amounts, fill])
    value = OUT.real(np.array(-128))
    check_copy(model, lambda x: np.pad(x, amounts, constant_values=value), ["nn.pad"], S)


RESHAPES = {
    "RESHAPE": ((2, -1), (2, 30), {"constants": [np.array([2, -1], I32)]}),
    "RESHAPE option": (
        (2, 30),
        (2, 30),
        {"options": "ReshapeOptions", "NewShape": [2, 30]},
    ),
    "RESHAPE bare": ((60,), (60,), {}),
    "SQUEEZE": ((4, 5, 3), (4, 5, 3), {}),
    "SQUEEZE option": (
        (4, 5, 3),
        (4, 5, 3),
        {"options": "SqueezeOptions", "SqueezeDims": [-4]},
    ),
    "EXPAND_DIMS": ((1, 4, 5, 1, 3), (1, 4, 5, 1, 3), {"constants": [np.array(-2, I32)]}),
}


@pytest.mark.parametrize("case", RESHAPES)
def test_reshapes(case):
    target, shape, options = RESHAPES[case]
    model = unary_model(case.split()[0], S, shape, **options)
    check_copy(model, lambda x: x.reshape(target), ["reshape"], S)


def test_transpose():
    order = np.array([0, 3, -3, 2], I32)
    model = unary_model("TRANSPOSE", S, (1, 3, 4, 5), constants=[order])
    check_copy(model, lambda x: x.transpose(0, 3, 1, 2), ["permute_dims"], S)


def test_concatenation_of_one_quantization():
    other = sample((1, 4, 5, 2), 1)
    options = {"options": "ConcatenationOptions", "constants": [(other, IN)], "out": IN, "Axis": -1}
    model = unary_model("CONCATENATION", S, (1, 4, 5, 5), **options)

    def joined(x):
        return np.concatenate([x, IN.real(other)], axis=3)

    check_unary(model, joined, ["concat"], S, written=IN)


def test_pack_makes_a_new_axis():
    other = (sample((4, 3), 1), Affine(0.02, 7))
    model = unary_model("PACK", (4, 3), (4, 2, 3), "PackOptions", [other], ValuesCount=2, Axis=1)
    check_copy(
        model,
        lambda x: np.stack([x, OUT.real(other[0])], axis=1),
        ["reshape", "reshape", "concat"],
        (4, 3),
    )


def several_outputs(kind, operands, shapes, options=None, **fields):
    """x [2, 6] (int8, `IN`) through one operator with several outputs (int8, `OUT`)."""
    w = ModelWriter()
    x = w.tensor("x", (2, 6), affine=IN)
    inputs = [x if value is None else w.constant("c", value) for value in operands]
    outputs = [w.tensor(f"part:{i}", shape, affine=OUT) for i, shape in enumerate(shapes)]
    w.operator(kind, inputs, outputs, options, **fields)
    return from_tflite(w.finish([x], outputs))


AXIS = np.array(1, I32)
SPLITS = {
    "SPLIT": (
        [AXIS, None],
        [(2, 2)] * 3,
        {"options": "SplitOptions", "NumSplits": 3},
        lambda x: np.split(x, 3, 1),
    ),
    "SPLIT_V": (
        [None, np.array([1, -1, 2], I32), AXIS],
        [(2, 1), (2, 3), (2, 2)],
        {"options": "SplitVOptions", "NumSplits": 3},
        lambda x: np.split(x, [1, 4], 1),
    ),
    "UNPACK": (
        [None],
        [(6,), (6,)],
        {"options": "UnpackOptions", "Num": 2, "Axis": 0},
        list,
    ),
}


@pytest.mark.parametrize("kind", SPLITS)
def test_splits_give_one_island_each(kind):
    operands, shapes, options, function = SPLITS[kind]
    module = several_outputs(kind, operands, shapes, **options)
    assert list(module["main"].attrs["tvm_tiny.output_names"]) == [
        f"part:{i}" for i in range(len(shapes))
    ]
    assert operators(module).count("strided_slice") == len(shapes)
    x = sample((2, 6))
    for result, part in zip(run(module, x), function(x), strict=True):
        np.testing.assert_array_equal(result, part)


SLICES = {
    "plain": ([0, 1, 0, 0], [1, 4, 5, 3], [1, 1, 2, 1], {}, np.s_[:, 1:4, 0:5:2]),
    "masks": ([5, 5, 1], [0, 0, -1], [1, 1, 1], {"BeginMask": 3, "EndMask": 3}, np.s_[:, :, 1:-1]),
    "shrink": ([0, -1, 0], [1, 9, 9], [1, 1, 3], {"ShrinkAxisMask": 2}, np.s_[:, -1, 0:9:3]),
    "ellipsis": ([0, 9, 1], [1, 9, 3], [1, 1, 1], {"EllipsisMask": 2}, np.s_[:1, ..., 1:3]),
    "new axis": ([0, 9, 1], [1, 9, 4], [1, 9, 2], {"NewAxisMask": 2}, np.s_[:, np.newaxis, 1:4:2]),
    "both": (
        [9, 9, 9, -1],
        [9, 9, 9, 9],
        [1, 1, 1, 1],
        {"NewAxisMask": 5, "EllipsisMask": 2, "ShrinkAxisMask": 12},
        np.s_[np.newaxis, ..., np.newaxis, -1],
    ),
    "offset": ([0, -3, 1], [1, 2, 2], [1, 1, 1], {"Offset": True}, np.s_[:, 1:3, 1:3]),
    "backwards": ([0, 3, 0], [1, -9, 9], [1, -2, 1], {}, np.s_[:, 3:-9:-2]),
}


@pytest.mark.parametrize("case", SLICES)
def test_strided_slice(case):
    begin, end, strides, masks, index = SLICES[case]
    out_shape = np.zeros(S)[index].shape
    model = unary_model(
        "STRIDED_SLICE",
        S,
        out_shape,
        "StridedSliceOptions",
        [np.array(v, I32) for v in (begin, end, strides)],
        **masks,
    )
    names = ["strided_slice", *["reshape"] * (case in ("shrink", "new axis", "both"))]
    check_copy(model, lambda x: x[index], names, S)


def test_slice_with_minus_one_takes_the_rest():
    bounds = [np.array(v, I32) for v in ([0, 1, 2, 0], [1, 2, -1, 3])]
    model = unary_model("SLICE", S, (1, 2, 3, 3), "SliceOptions", bounds)
    check_copy(model, lambda x: x[:, 1:3, 2:], ["strided_slice"], S)


def test_reverse_runs_through_axes_backwards():
    model = unary_model("REVERSE_V2", S, S, constants=[np.array([1, -1], I32)])
    check_copy(model, lambda x: x[:, ::-1, :, ::-1], ["strided_slice"], S)


def test_tile_repeats_axes():
    model = unary_model("TILE", S, (2, 4, 15, 3), constants=[np.array([2, 1, 3, 1], I32)])
    check_copy(model, lambda x: np.tile(x, (2, 1, 3, 1)), ["tile"], S)


def test_broadcast_to_repeats_axes_of_size_one():
    shape = np.array([2, 3, 4, 5, 3], I32)
    model = unary_model("BROADCAST_TO", S, tuple(shape), constants=[shape])
    check_copy(model, lambda x: np.broadcast_to(x, shape), ["broadcast_to"], S)


BLOCKS = ["reshape", "permute_dims", "reshape"]


def test_depth_to_space_spreads_a_pixel_over_a_block():
    options = {"options": "DepthToSpaceOptions", "BlockSize": 2}
    model = unary_model("DEPTH_TO_SPACE", (1, 2, 3, 8), (1, 4, 6, 2), **options)

    def spread(x):
        rows = [[x[0, h, w].reshape(2, 2, 2) for w in range(3)] for h in range(2)]
        return np.concatenate([np.concatenate(row, axis=1) for row in rows])[np.newaxis]

    check_copy(model, spread, BLOCKS, (1, 2, 3, 8))


def test_space_to_depth_gathers_a_block_in_a_pixel():
    options = {"options": "SpaceToDepthOptions", "BlockSize": 2}
    model = unary_model("SPACE_TO_DEPTH", (1, 4, 6, 2), (1, 2, 3, 8), **options)

    def gathered(x):
        blocks = [x[0, 2 * h : 2 * h + 2, 2 * w : 2 * w + 2] for h in range(2) for w in range(3)]
        return np.reshape([block.reshape(-1) for block in blocks], (1, 2, 3, 8))

    check_copy(model, gathered, BLOCKS, (1, 4, 6, 2))
