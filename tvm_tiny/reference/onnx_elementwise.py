"""ONNX elementwise operators on the integer kernels."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from . import activation, affine, elementwise
from .onnx_operands import Kernel, NoIntegerForm, Operand, per_tensor, real_values
from .onnx_values import Dequantized, Node
from .quantization import Quant, Rounding, requantize

Array = npt.NDArray[Any]


def _binary(kernel: Callable[..., Array]) -> Kernel:
    def run(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
        if len(args) != 2 or (rounding is Rounding.FLOAT32 and any(map(_is_number, args))):
            raise NoIntegerForm
        (a, a_quant), (b, b_quant) = per_tensor(args, 0), per_tensor(args, 1)
        return kernel(a, b, a_quant, b_quant, y)

    return run


def _mul(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    return _binary(functools.partial(elementwise.mul, rounding=rounding))(node, args, y, rounding)


def _affine(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    x, x_quant = per_tensor(args)
    _, gain, offset = node.attributes["line"](x.ndim)
    result = affine.affine(x, gain, offset, x_quant, y, rounding)
    if result is None:
        raise NoIntegerForm
    return result


def _sum(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    terms = [per_tensor(args, k) for k in range(len(args))]
    if len(terms) == 1:
        return requantize(*terms[0], y, rounding=rounding)
    if len(terms) == 2:
        return _binary(elementwise.add)(node, args, y, rounding)
    if len(terms) > elementwise.MOST_TERMS:
        raise NoIntegerForm
    return elementwise.add_n([data for data, _ in terms], [q for _, q in terms], y)


def _mean(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    return _sum(node, args, Quant(y.scale * len(args), y.zero_point), rounding)


def _extreme(kernel: Callable[..., Array]) -> Kernel:
    def run(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
        operands = [per_tensor(args, k) for k in range(len(args))]
        moved = [requantize(*operand, y, rounding=rounding) for operand in operands]
        return functools.reduce(lambda a, b: kernel(a, b, y, y, y), moved)

    return run


def _is_number(arg: Operand) -> bool:
    return isinstance(arg, Dequantized) and arg.constant and arg.data.size == 1


def _unary(kernel: Callable[..., Array], **defaults: float) -> Kernel:
    """A kernel for a function of one tensor.

    With TFLite's rounding it is TFLite's integer kernel; otherwise the function runs in float32.
    defaults: the attributes' names and default values.
    """

    def run(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
        if rounding is Rounding.FLOAT32:
            raise NoIntegerForm
        options = {name: node.attributes.get(name, value) for name, value in defaults.items()}
        return kernel(*per_tensor(args), y, **options)

    return run


def _prelu(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    x, x_quant = per_tensor(args)
    if rounding is Rounding.FLOAT32:
        return activation.prelu_float32(x, real_values(args[1]), x_quant, y)
    alpha, alpha_quant = per_tensor(args, 1)
    return activation.prelu(x, alpha, x_quant, alpha_quant, y)


def _clip(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    """A Relu or Clip on its own, whose clipping the island's bounds do."""
    return activation.clip(*per_tensor(args), y, (-128, 127), rounding)


ELEMENTWISE: dict[str, Kernel] = {
    "Add": _binary(elementwise.add),
    "Affine": _affine,
    "Clip": _clip,
    "Div": _binary(elementwise.div),
    "HardSwish": _unary(activation.hard_swish),
    "LeakyRelu": _unary(activation.leaky_relu, alpha=0.01),
    "Max": _extreme(elementwise.maximum),
    "Mean": _mean,
    "Min": _extreme(elementwise.minimum),
    "Mul": _mul,
    "PRelu": _prelu,
    "Relu": _clip,
    "Sigmoid": _unary(activation.logistic),
    "SquaredDifference": _binary(elementwise.squared_difference),
    "Sub": _binary(elementwise.sub),
    "Sum": _sum,
    "Tanh": _unary(activation.tanh),
}
