"""What the TFLite frontend refuses: damaged files with ModelError, well-formed ones that cannot be
compiled with UnsupportedError; always one line."""

from __future__ import annotations

import numpy as np
import pytest
from tflite_fuzz import fuzz
from tflite_models import IN, OUT, Affine, ModelWriter, small_network, unary_model

from tvm_tiny.errors import ModelError, UnsupportedError
from tvm_tiny.frontend import from_file
from tvm_tiny.frontend.tflite import from_tflite

I32 = np.int32
S = (1, 4, 4, 2)
POOL = {
    "options": "Pool2DOptions",
    "Padding": 1,
    "StrideH": 2,
    "StrideW": 2,
    "FilterHeight": 2,
    "FilterWidth": 2,
}
CONV = {
    "options": "Conv2DOptions",
    "Padding": 1,
    "StrideH": 1,
    "StrideW": 1,
    "DilationHFactor": 1,
    "DilationWFactor": 1,
}
KERNEL = np.ones((3, 1, 1, 2), np.int8)


def conv(kernel=KERNEL, affine=None, bias=None, out=(1, 4, 4, 3), **options):
    constants = [(kernel, affine or Affine(0.01))]
    if bias is not None:
        constants.append(bias)
    return unary_model("CONV_2D", S, out, constants=constants, **{**CONV, **options})


def relu(shape=S, dtype="int8", affine=IN, out_affine=OUT, **tensor):
    w = ModelWriter()
    x = w.tensor("x", shape, dtype, affine, **tensor)
    y = w.tensor("y", shape, dtype, out_affine)
    w.operator("RELU", [x], [y])
    return w.finish([x], [y])


def wired(operators, inputs=(0,), outputs=(2,), **options):
    """Three int8 tensors x, y, z and operators given as (inputs, outputs)."""
    w = ModelWriter()
    for name in "xyz":
        w.tensor(name, S, affine=IN)
    for reads, writes in operators:
        w.operator("RELU", reads, writes)
    return w.finish(inputs, outputs, **options)


GOOD = [([0], [1]), ([1], [2])]
CORRUPT = {
    "no bytes at all": (b"", "not a TFLite model"),
    "text": (b"hello world, this is no model", "not a TFLite model"),
    "magic": (b"\x1c\0\0\0TFL2" + bytes(64), "not a TFLite model"),
    "magic only": (b"\x1c\0\0\0TFL3", "truncated or corrupt"),
    "version": (wired(GOOD, version=2), "version 2; expected 3"),
    "no subgraph": (wired(GOOD, subgraphs=0), "no subgraph"),
    "no input": (wired(GOOD, inputs=[]), "no input"),
    "input index": (wired(GOOD, inputs=[7]), "model input 7 of 3"),
    "twice": (wired(GOOD, inputs=[0, 0]), "one input tensor twice"),
    "no operators": (wired([], outputs=[0]), "no operators"),
    "order": (wired(GOOD[::-1]), r"reads tensor 'y' before"),
    "producers": (wired([*GOOD, ([0], [2])]), r"writes tensor 'z'"),
    "cycle": (wired([([2], [1]), ([1], [2])]), r"reads tensor 'z' before"),
    "unwritten output": (wired(GOOD[:1]), "'z' is written by no operator"),
    "operand index": (wired([([9], [2])]), "input tensor 9 of 3"),
    "operand count": (wired([([0, 0], [2])]), r"2 inputs; expected 1"),
    "operand absent": (wired([([-1], [2])]), r"1 inputs; expected 1"),
    "result count": (wired([([0], [1, 2])]), "2 outputs; expected one"),
    "shape": (conv(out=(1, 4, 4, 4)), r"declared as \(1, 4, 4, 4\).*\(1, 4, 4, 3\)"),
    "pool shape": (unary_model("MAX_POOL_2D", S, (1, 3, 2, 2), **POOL), r"\(1, 2, 2, 2\)"),
    "options": (unary_model("MAX_POOL_2D", S), "Pool2DOptions are missing"),
    "other options": (unary_model("MAX_POOL_2D", S, options="AddOptions"), "are missing"),
    "stride": (unary_model("MAX_POOL_2D", S, **{**POOL, "StrideH": 0}), "at least 1"),
    "padding mode": (unary_model("MAX_POOL_2D", S, **{**POOL, "Padding": 5}), "padding mode 5"),
    "window": (unary_model("MAX_POOL_2D", S, **{**POOL, "FilterWidth": 9}), "does not fit"),
    "kernel depth": (conv(np.ones((3, 1, 1, 5), np.int8)), "do not fit 2 input channels"),
    "scale count": (conv(affine=Affine([0.1, 0.2])), "2 quantization scales"),
    "scale axis": (
        conv(np.ones((3, 1, 1, 2), np.int8), Affine([0.1, 0.2], [0, 0], 3)),
        "dimension 3; expected 0",
    ),
    "scale zero": (relu(affine=Affine(0.0)), "not a finite number above 0"),
    "scale nan": (relu(affine=Affine(float("nan"))), "not a finite number above 0"),
    "zero point": (relu(affine=Affine(0.1, 128)), "outside -128 to 127"),
    "bias shape": (conv(bias=np.zeros(2, I32)), r"expected \(3,\)"),
    "bias scale": (
        unary_model(
            "FULLY_CONNECTED",
            (1, 2),
            (1, 3),
            "FullyConnectedOptions",
            [(np.ones((3, 2), np.int8), Affine(0.1)), (np.zeros(3, I32), Affine(7.0))],
        ),
        "the scale of bias",
    ),
    "data size": (relu(shape=(1, 3), data=b"12345"), "5 bytes of data"),
    "huge": (relu(shape=(1 << 14, 1 << 14, 1 << 14)), "at most 67108864 a tensor"),
    "huge product": (relu(shape=(2**31 - 1,) * 8), "at most 67108864 a tensor"),
    "no elements": (relu(shape=(1, 0)), "no elements"),
    "rank": (relu(shape=(1,) * 9), "rank 9"),
    "control characters": (
        unary_model("RELU", S).replace(b"\x01\0\0\0y", b"\x01\0\0\0\n"),
        "control characters",
    ),
    "axis": (
        unary_model("MEAN", S, S, "ReducerOptions", [np.array([4], I32)]),
        "axis 4 of a tensor of rank 4",
    ),
    "reshape": (
        unary_model("RESHAPE", S, (7,), constants=[np.array([7], I32)]),
        r"cannot reshape \(1, 4, 4, 2\) to \(7,\)",
    ),
    "permutation": (
        unary_model("TRANSPOSE", S, constants=[np.array([0, 1, 1, 3], I32)]),
        "no order of the axes",
    ),
    "broadcast": (
        unary_model("MUL", S, options="MulOptions", constants=[(np.ones(3, np.int8), IN)]),
        "cannot be broadcast",
    ),
    "negative pad": (
        unary_model("PAD", S, constants=[np.array([[0, 0]] * 3 + [[-1, 1]], I32)]),
        "none negative",
    ),
    "slice": (
        unary_model("SLICE", S, constants=[np.array([0, 0, 0, 1], I32), np.array(S, I32)]),
        "leave the input's",
    ),
    "operand type": (
        unary_model("MEAN", S, S, "ReducerOptions", [np.array([1], np.float32)]),
        "expected int32",
    ),
}


@pytest.mark.parametrize("case", CORRUPT)
def test_damaged_or_contradictory_files_are_model_errors(case):
    data, message = CORRUPT[case]
    with pytest.raises(ModelError, match=message) as caught:
        from_tflite(data)
    assert "\n" not in str(caught.value)


def float_model():
    w = ModelWriter()
    x, y = w.tensor("x", (1, 2), "float32"), w.tensor("y", (1, 3), "float32")
    weights = w.constant("weights", np.ones((3, 2), np.float32))
    w.operator("FULLY_CONNECTED", [x, weights], [y], "FullyConnectedOptions")
    return w.finish([x], [y])


@pytest.mark.parametrize(("before", "after"), [("int8", "float32"), ("float32", "int8")])
def test_activations_of_two_types_are_refused(before, after):
    w = ModelWriter()
    types = {"int8": IN, "float32": None}
    x = w.tensor("x", S, before, affine=types[before])
    y = w.tensor("y", S, after, affine=types[after])
    w.operator("RELU", [x], [y])
    message = r"^RELU \(operator 0\): tensor '.' is int8 and tensor '.' float32"
    with pytest.raises(ModelError, match=message):
        from_tflite(w.finish([x], [y]))


def hybrid_model():
    w = ModelWriter()
    x, y = w.tensor("x", (1, 2), "float32"), w.tensor("y", (1, 3), "float32")
    weights = w.constant("weights", np.ones((3, 2), np.int8), Affine(0.1))
    w.operator("FULLY_CONNECTED", [x, weights], [y], "FullyConnectedOptions")
    return w.finish([x], [y])


def uint8_operator():
    w = ModelWriter()
    x, y = w.tensor("x", S, affine=IN), w.tensor("y", S, "uint8", Affine(0.1, 9))
    q = w.tensor("q", S, "uint8", Affine(0.1, 9))
    w.operator("QUANTIZE", [x], [q])
    w.operator("RELU", [q], [y])
    return w.finish([x], [y])


def run_time_shape():
    w = ModelWriter()
    x, y = w.tensor("x", S, affine=IN), w.tensor("y", S, affine=OUT)
    axes = w.tensor("axes", (1,), "int32")
    w.operator("MEAN", [x, axes], [y], "ReducerOptions")
    return w.finish([x, axes], [y])


def conv_at_run_time():
    w = ModelWriter()
    x, k = w.tensor("x", S, affine=IN), w.tensor("w", (3, 1, 1, 2), affine=Affine(0.1))
    y = w.tensor("y", (1, 4, 4, 3), affine=OUT)
    options = {key: value for key, value in CONV.items() if key != "options"}
    w.operator("CONV_2D", [x, k], [y], "Conv2DOptions", **options)
    return w.finish([x, k], [y])


SLICE = [np.array(v, I32) for v in ([0] * 4, [1, 4, 4, 2], [1] * 4)]
UNSUPPORTED = {
    "float": (float_model(), "the model is not quantized"),
    "hybrid": (hybrid_model(), r"FULLY_CONNECTED \(tensor 'x'\): .*hybrid"),
    "int16": (relu(dtype="int16"), r"RELU \(tensor 'x'\): int16 activations"),
    "uint8": (relu(dtype="uint8", affine=Affine(0.1, 3)), "quantized to uint8"),
    "uint8 in part": (uint8_operator(), r"RELU \(tensor 'q'\): uint8"),
    "int4": (
        relu(shape=(1, 2), dtype="int4", affine=Affine(0.1)),
        r"RELU \(tensor 'x'\): int4",
    ),
    "dynamic": (relu(shape=(1, 1, 4), signature=(1, -1, 4)), "model input 'x': dynamic shape"),
    "dynamic batch": (relu(shape=(2, 4), signature=(-1, 4)), "model input 'x': dynamic shape"),
    "no static shape": (relu(shape=(1, -1, 4)), "tensor 'x' and 1 more: dynamic shape"),
    "axes at run time": (run_time_shape(), r"MEAN \(tensor 'axes'\): must be a constant"),
    "sparse": (relu(sparse=True), "tensor 'x': sparse"),
    "variable": (relu(variable=True), "tensor 'x': variable"),
    "no scale": (relu(affine=None), r"RELU \(tensor 'x'\): int8 without scale"),
    "custom": (unary_model("CUSTOM", S), r"CUSTOM 'MyOp' \(tensor 'y'\): the operator is not"),
    "unknown": (unary_model(999, S), r"operator code 999 \(tensor 'y'\)"),
    "unsupported": (unary_model("LSTM", S), r"LSTM \(tensor 'y'\): the operator is not"),
    "subgraphs": (wired(GOOD, subgraphs=2), "2 subgraphs"),
    "fused": (conv(FusedActivationFunction=4), r"CONV_2D \(tensor 'y'\): fused activation TANH"),
    "weights' zero point": (conv(affine=Affine(0.1, 3)), "zero point other than 0"),
    "channel scales": (
        relu(affine=Affine([0.1, 0.2], [0, 0], 3)),
        "one scale a channel, which only weights may have",
    ),
    "float weights": (
        conv(KERNEL.astype(np.float32)),
        r"CONV_2D \(tensor 'c0'\): float32 where int8 is needed",
    ),
    "weights at run time": (
        conv_at_run_time(),
        r"CONV_2D \(tensor 'w'\): must be a constant; weights",
    ),
    "int64 bias": (conv(bias=np.zeros(3, np.int64)), "int64 bias"),
    "pool of two scales": (
        unary_model("MAX_POOL_2D", S, (1, 2, 2, 2), **POOL),
        r"MAX_POOL_2D \(tensor 'x'\): scale 0.05 and zero point -3 where the result has scale 0.07",
    ),
    "concatenation of two scales": (
        unary_model(
            "CONCATENATION", S, (2, 4, 4, 2), "ConcatenationOptions", [(np.zeros(S, np.int8), OUT)]
        ),
        r"CONCATENATION \(tensor 'x'\): .* put a QUANTIZE operator between",
    ),
    "fill of another scale": (
        unary_model("PADV2", S, constants=[np.zeros((4, 2), I32), (np.array([1], np.int8), IN)]),
        r"PADV2 \(tensor 'c1'\): .* put a QUANTIZE",
    ),
    "both centers": (
        unary_model(
            "RESIZE_BILINEAR",
            S,
            S,
            "ResizeBilinearOptions",
            [np.array([4, 4], I32)],
            AlignCorners=True,
            HalfPixelCenters=True,
        ),
        "align_corners together with half_pixel_centers",
    ),
}


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_what_cannot_be_compiled_is_unsupported(case):
    data, message = UNSUPPORTED[case]
    with pytest.raises(UnsupportedError, match=message) as caught:
        from_tflite(data)
    assert "\n" not in str(caught.value)


def test_all_reasons_come_in_one_list():
    w = ModelWriter()
    x = w.tensor("x", S, affine=IN, signature=(1, -1, 4, 2))
    a, b, y = (w.tensor(name, S, affine=IN) for name in ("a", "b", "y"))
    w.operator("CUSTOM", [x], [a])
    w.operator("RELU", [a], [b])
    w.operator("LSTM", [b], [y])
    with pytest.raises(UnsupportedError) as caught:
        from_tflite(w.finish([x], [y]))
    custom, lstm, shape = caught.value.reasons
    assert custom.startswith("CUSTOM 'MyOp' (tensor 'a'): the operator is not supported")
    assert lstm.startswith("LSTM (tensor 'y'): the operator is not supported")
    assert shape == (
        "model input 'x': dynamic shape (1, -1, 4, 2); export the model with a fixed input shape"
    )


def test_a_batch_of_one_may_be_marked_dynamic():
    assert from_tflite(relu(signature=(-1, 4, 4, 2)))["main"].params[0].ty.shape[0] == 1


def test_every_truncation_is_one_clean_error():
    data = small_network()
    for size in range(0, len(data) - 64, 41):
        with pytest.raises(ModelError):
            from_tflite(data[:size])


class AliasingWriter(ModelWriter):
    """Lists every tensor four thousand times."""

    def _graph(self, builder, tensors, operators, inputs, outputs):
        return super()._graph(builder, tensors * 4000, operators, inputs, outputs)


def test_entries_that_alias_do_not_multiply_the_work():
    w = AliasingWriter()
    w.tensor("n" * 60_000, (1, 2), affine=IN)
    w.tensor("y", (1, 2), affine=OUT)
    w.operator("RELU", [0], [1])
    with pytest.raises(ModelError, match="its entries overlap"):
        from_tflite(w.finish([0], [1]))


def test_files_that_cannot_be_opened(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        from_tflite(tmp_path / "missing.tflite")
    with pytest.raises(ModelError, match="cannot be read"):
        from_tflite(tmp_path)


def test_from_file_goes_by_content_then_suffix(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(small_network())
    assert "main" in [g.name_hint for g in from_file(path).get_global_vars()]
    path.write_text("no model")
    with pytest.raises(ModelError, match="neither a TFLite model"):
        from_file(path)
    path = tmp_path / "model.tflite"
    path.write_text("no model")
    with pytest.raises(ModelError, match="not a TFLite model"):
        from_file(path)


def test_mutated_files_end_in_a_clean_error_or_a_module():
    outcome = fuzz(small_network(), seed=7, count=300)
    assert sum(outcome.values()) == 300
    assert outcome["ModelError"] > 100


REMEDIES = {
    "CUMSUM": "replace it by supported operators",
    "CUSTOM": "replace it by supported operators",
    "RANDOM_UNIFORM": "make that an input",
    "RFFT2D": "compute the spectrum in the program",
    "SVDF": "give the model its state as an input",
    "TOPK_V2": "replace it by supported operators",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "a fixed number of steps",
    "WHERE": "the shape of its result depends on",
    "WHILE": "a fixed number of repetitions",
}


@pytest.mark.parametrize("kind", REMEDIES)
def test_an_operator_that_is_not_supported_is_named_with_what_to_do(kind):
    with pytest.raises(UnsupportedError, match=REMEDIES[kind]) as caught:
        from_tflite(unary_model(kind, S))
    message = str(caught.value)
    assert message.startswith(kind)
    assert "(tensor 'y'): the operator is not supported; " in message
    assert "\n" not in message
