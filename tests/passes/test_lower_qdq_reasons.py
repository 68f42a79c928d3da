"""LowerQDQ says of each tensor that stays in float why it does."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from islands import float_warning, quantized, real, weights
from tvm import relax

from tvm_tiny.reference.elementwise import MOST_TERMS
from tvm_tiny.reference.norms import LONGEST_ROW, LONGEST_ROW_OF_L2
from tvm_tiny.reference.softmax_rescaled import LONGEST_AXIS

op = relax.op
IMAGE, KERNEL = (1, 4, 4, 2), (3, 2, 2, 2)


def conv(x, kernel):
    return op.nn.conv2d(x, kernel, data_layout="NHWC", kernel_layout="OHWI")


def const(shape, value=1.0):
    return relax.const(np.full(shape, value, "float32"))


def many_terms(x):
    return reduce(op.add, [op.permute_dims(x)] + [x] * MOST_TERMS)


def l2(x):
    total = op.sum(op.multiply(x, x), -1, keepdims=True)
    return op.divide(x, op.sqrt(op.maximum(total, relax.const(1e-6, "float32"))))


def average(x, padding, count_include_pad):
    return op.nn.avg_pool2d(
        x,
        (2, 2),
        (2, 2),
        padding,
        layout="NHWC",
        count_include_pad=count_include_pad,
        ceil_mode=count_include_pad,
    )


def of_each_channel(x):
    scales, zeros = relax.const(np.array([0.5, 0.25], "float32")), np.zeros(2, "int8")
    return op.dequantize(x, scales, relax.const(zeros), axis=-1)


# What computes tensor `y` of dequantized inputs, their shapes, and why it stays in float.
OF_RULES = {
    "float weights": (
        lambda x: conv(x, const(KERNEL)), [IMAGE], "weights that are not quantized"
    ),
    "weights as an input": (conv, [IMAGE, KERNEL], "weights made at run time"),
    "weights computed": (
        lambda x, w: conv(x, op.exp(w)), [IMAGE, KERNEL], "weights made at run time"
    ),
    "a bias as an input": (
        lambda x, b: op.add(conv(x, weights(KERNEL)), b),
        [IMAGE, (3,)],
        "what is added is no constant along the output channels",
    ),
    "many terms": (many_terms, [(2, 2)], f"it adds more than {MOST_TERMS} tensors"),
    "long softmax": (
        lambda x: op.nn.softmax(x), [(1, LONGEST_AXIS + 1)],
        f"it sums more than {LONGEST_AXIS} elements",
    ),
    "long log-softmax": (
        lambda x: op.nn.log_softmax(x), [(1, LONGEST_AXIS + 1)],
        f"it sums more than {LONGEST_AXIS} elements",
    ),
    "long L2 norm": (
        l2, [(1, LONGEST_ROW_OF_L2 + 1)], f"it sums more than {LONGEST_ROW_OF_L2} elements"
    ),
    "gains as an input": (
        lambda x, gains: op.nn.layer_norm(x, gains, const(4), -1), [(2, 4), (4,)],
        "gains or offsets that are no constants",
    ),
    "a long norm": (
        lambda x: op.nn.rms_norm(x, const(LONGEST_ROW), -1), [(1, LONGEST_ROW)],
        "its rows, gains or scales leave no room for integers",
    ),
    "padding alone": (
        lambda x: average(x, (2, 0, 0, 0), False), [IMAGE], "a window lies in the padding alone"
    ),
    "padding counted, in ceil mode": (
        lambda x: average(x, (1, 1, 1, 1), True), [IMAGE],
        "an average that counts its padding, in ceil mode",
    ),
    "cubic": (
        lambda x: op.image.resize2d(x, (8, 8), layout="NHWC", method="cubic"), [IMAGE],
        "no integer form for method cubic and coordinates 'half_pixel'",
    ),
    "no rule": (lambda x: op.cumsum(x, 1), [(2, 3)], "no integer form of cumsum"),
    "several operators": (
        lambda x: op.sin(op.cumsum(op.exp(x), 1)), [(2, 3)],
        "no integer operator computes exp, cumsum and sin at once; quantize between them",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", OF_RULES)
def test_a_rule_says_why_it_declines(case):
    build, shapes, reason = OF_RULES[case]

    def body(emit, *xs):
        return emit(quantized(build(*map(real, xs))), name_hint="y")

    assert f"(tensor 'y'): {reason}, runs in float" in float_warning(body, *shapes)


# The same of tensors as they enter the model, int8 or float, and without a quantize at the end.
OF_OPERANDS = {
    "float": (lambda x: quantized(op.exp(x)), "float32", "its input 'x0' is not quantized"),
    "float, in a concatenation": (
        lambda x: quantized(op.concat([const((1, 2)), x], 0)),
        "float32",
        "its input 'x0' is not quantized",
    ),
    "float, before what a rule says": (
        lambda x: quantized(op.matmul(x, const((2, 2)))),
        "float32",
        "its input 'x0' is not quantized",
    ),
    "float, compared": (
        lambda x: op.less(x, const(())), "float32", "its input 'x0' is not quantized"
    ),
    "float, an argmax": (lambda x: op.argmax(x, 1), "float32", "its input 'x0' is not quantized"),
    "computed, compared": (
        lambda x: op.less(op.cumsum(real(x), 1), const(())), "int8",
        "no integer operator computes cumsum and less at once; quantize between them",
    ),
    "int32": (lambda x: quantized(op.nn.relu(real(x))), "int32", "an input of int32"),
    "several scales": (
        lambda x: quantized(op.nn.relu(of_each_channel(x))), "int8",
        "an input has a scale for each channel",
    ),
    "no quantize": (lambda x: op.exp(real(x)), "int8", "nothing quantizes its result"),
}  # fmt: skip


@pytest.mark.parametrize("case", OF_OPERANDS)
def test_operands_show_why_no_rule_takes_them(case):
    build, dtype, reason = OF_OPERANDS[case]
    text = float_warning(lambda emit, x: emit(build(x), name_hint="y"), (2, 2), dtype=dtype)
    assert f"(tensor 'y'): {reason}, runs in float" in text
