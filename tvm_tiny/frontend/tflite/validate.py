"""Checks of a model's structure, before any operator is converted."""

from __future__ import annotations

from tvm_tiny.errors import ModelError

from . import schema
from .model import ABSENT, Model, Operator

# Operators that change between real numbers and codes of them.
_CONVERSIONS = ("CAST", "DEQUANTIZE", "QUANTIZE")


def validate(model: Model) -> None:
    """Check indices, operand counts and types; ModelError names the operator or tensor at fault."""
    _check_interface(model)
    for operator in model.operators:
        _check_operands(model, operator)


def order_fault(model: Model) -> ModelError | None:
    """The error for the first tensor that is not written exactly once, before its uses.

    None for a model in order.
    """
    known = {t.index for t in model.tensors if t.constant} | set(model.inputs)
    for operator in model.operators:
        for index in operator.inputs:
            if index != ABSENT and index not in known:
                return ModelError(
                    f"{label(operator)}: reads tensor '{model.tensors[index].name}' before any "
                    "operator has written it; the operators are not in execution order"
                )
        for index in operator.outputs:
            if index in known:
                return ModelError(
                    f"{label(operator)}: writes tensor '{model.tensors[index].name}', which is "
                    "a constant, a model input or another operator's output"
                )
            known.add(index)
    for index in model.outputs:
        if index not in known:
            return ModelError(
                f"model output '{model.tensors[index].name}' is written by no operator"
            )
    return None


def label(operator: Operator) -> str:
    """The operator's name in messages."""
    return f"{operator.kind} (operator {operator.index})"


def _check_interface(model: Model) -> None:
    for what, indices in (("input", model.inputs), ("output", model.outputs)):
        if not indices:
            raise ModelError(f"the model has no {what}; export it again")
        for index in indices:
            if not 0 <= index < len(model.tensors):
                raise ModelError(
                    f"model {what} {index} of {len(model.tensors)} tensors does not exist"
                )
    if len(set(model.inputs)) != len(model.inputs):
        raise ModelError("the model lists one input tensor twice; export it again")
    for index in model.inputs:
        if model.tensors[index].constant:
            raise ModelError(f"model input '{model.tensors[index].name}' is a constant")
    if not model.operators:
        raise ModelError("the model has no operators; export it again")


def _check_operands(model: Model, operator: Operator) -> None:
    for index in operator.inputs:
        if index != ABSENT and not 0 <= index < len(model.tensors):
            raise ModelError(
                f"{label(operator)}: input tensor {index} of {len(model.tensors)} does not exist"
            )
    for index in operator.outputs:
        if not 0 <= index < len(model.tensors):
            raise ModelError(
                f"{label(operator)}: output tensor {index} of {len(model.tensors)} does not exist"
            )
    if operator.kind not in schema.INPUT_COUNTS:
        return
    fewest, most = schema.INPUT_COUNTS[operator.kind]
    if not fewest <= len(operator.inputs) <= most or ABSENT in operator.inputs[:fewest]:
        raise ModelError(
            f"{label(operator)}: {len(operator.inputs)} inputs; expected {fewest} to {most}, "
            f"of which the first {fewest} must be there"
        )
    outputs = len(operator.outputs)
    if outputs == 0 or (outputs > 1 and operator.kind not in schema.MANY_OUTPUTS):
        raise ModelError(f"{label(operator)}: {outputs} outputs; expected one")
    if operator.kind not in _CONVERSIONS:
        _check_types(model, operator)


def _check_types(model: Model, operator: Operator) -> None:
    """Raise ModelError where activations are int8 and float32; TFLite computes in one of them."""
    tensors = [model.tensors[index] for index in operator.inputs if index != ABSENT]
    tensors = [tensor for tensor in tensors if not tensor.constant]
    tensors += [model.tensors[index] for index in operator.outputs]
    quantized = next((t for t in tensors if t.dtype == "int8" and t.quantization), None)
    real = next((t for t in tensors if t.dtype == "float32"), None)
    if quantized is not None and real is not None:
        raise ModelError(
            f"{label(operator)}: tensor '{quantized.name}' is int8 and tensor '{real.name}' "
            "float32; expected one type: convert with QUANTIZE or DEQUANTIZE, or export it again"
        )
