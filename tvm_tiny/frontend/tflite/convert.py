"""Converts a validated TFLite model to one Relax function in QDQ form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tvm
from tvm import relax

from tvm_tiny.errors import ModelError, UnsupportedError
from tvm_tiny.interface import INPUT_QUANTIZATION
from tvm_tiny.model_file import read_model_file, suspicion

from ..remedies import remedy
from .dilation import fuse_dilation
from .fold import drop_unneeded, fold_constants
from .graph import Graph
from .model import Model, Operator, Tensor
from .ops import CONVERTERS
from .reader import read_model
from .validate import label, order_fault

_PARAMETER_TYPES = frozenset({"int8", "uint8", "float32", "int32", "int64", "bool"})


def from_tflite(model: bytes | str | Path) -> tvm.IRModule:
    """Import a full-integer (int8) TFLite model, given as the file's bytes or its path.

    Returns an IRModule with one function `main` in QDQ form: parameters are the model's inputs with
    their own names, layouts (NHWC) and types; weights are constants; every model operator is one
    island `quantize(float operators(dequantize(..)))`, its variable named as the model's tensor.

    Raises ModelError where the file cannot be read or contradicts itself, and UnsupportedError,
    with every reason in one list, where it cannot be compiled.
    """
    if isinstance(model, bytes):
        return _import(model)
    data = read_model_file(Path(model))
    try:
        return _import(data)
    except ModelError as error:
        raise ModelError(f"{model}: {error}{suspicion(data)}") from error


def _import(data: bytes) -> tvm.IRModule:
    parsed = read_model(data)
    parsed = fuse_dilation(drop_unneeded(fold_constants(parsed, data)))
    general = _general_reasons(parsed)
    if not any(tensor.dtype in {"int8", "int16", "INT4"} for tensor in parsed.tensors):
        raise UnsupportedError([*general, _not_int8(parsed)])
    misordered = order_fault(parsed)
    unknown = [_unknown(op, parsed) for op in parsed.operators if op.kind not in CONVERTERS]
    # A fault in the order may be the consequence of another reason, such as a variable tensor.
    if misordered is not None:
        raise UnsupportedError([*general, *unknown]) if general or unknown else misordered
    module, fault, reasons = _build(parsed)
    # A contradiction may be the consequence of a general reason, such as a dynamic shape.
    if fault is not None and not general:
        raise fault
    if general or reasons:
        raise UnsupportedError([*general, *reasons])
    return module


def _general_reasons(model: Model) -> list[str]:
    """Reasons against compiling the model that no single operator gives."""
    used = {i for operator in model.operators for i in (*operator.inputs, *operator.outputs)}
    used |= {*model.inputs, *model.outputs}
    tensors = [tensor for tensor in model.tensors if tensor.index in used]
    reasons = [f"tensor '{t.name}': {flaw}" for t in tensors for flaw in t.flaws]
    if model.subgraphs > 1:
        reasons.append(
            f"{model.subgraphs} subgraphs (control flow); export the model with one subgraph"
        )
    for index in model.inputs:
        reasons += _input_reasons(model.tensors[index])
    return reasons


def _unknown(operator: Operator, model: Model) -> str:
    name = model.tensors[operator.outputs[0]].name if operator.outputs else ""
    where = f"tensor '{name}'" if operator.outputs else f"operator {operator.index}"
    return f"{operator.kind} ({where}): the operator is not supported; {remedy(operator.kind)}"


def _not_int8(model: Model) -> str:
    remedy = "convert it with full-integer int8 quantization and a representative dataset"
    if any(tensor.dtype == "uint8" and tensor.quantization for tensor in model.tensors):
        return f"the model is quantized to uint8, the scheme before int8; {remedy}"
    return f"the model is not quantized: it has no int8 tensor; {remedy}"


def _input_reasons(tensor: Tensor) -> list[str]:
    """Reasons why a model input is not supported.

    A dimension that `signature` marks as unknown is fixed at its size in `shape`, but only if it is
    a batch of 1.
    """
    reasons = []
    unknown = [axis for axis, size in enumerate(tensor.signature) if size < 0]
    if any(axis > 0 or tensor.shape[:1] != (1,) for axis in unknown):
        reasons.append(
            f"model input '{tensor.name}': dynamic shape {tensor.signature}; "
            "export the model with a fixed input shape"
        )
    if tensor.dtype not in _PARAMETER_TYPES:
        reasons.append(f"model input '{tensor.name}': element type {tensor.dtype.lower()}")
    return reasons


def _build(model: Model) -> tuple[tvm.IRModule, ModelError | None, list[str]]:
    """Build the module; returns (module, fault of the file, reasons why operators are unsupported).

    With a fault or reasons the module is incomplete. The builder's scopes are left in order in
    every case: TVM prints a warning of its own where an exception leaves them open.
    """
    builder = relax.BlockBuilder()
    graph = Graph(model, builder)
    parameters = [_variable(model.tensors[index]) for index in model.inputs]
    for index, parameter in zip(model.inputs, parameters, strict=True):
        graph.bind(index, parameter)
    attributes = {
        "num_input": len(parameters),
        "tvm_tiny.output_names": [model.tensors[index].name for index in model.outputs],
        INPUT_QUANTIZATION: [_interface(model.tensors[index]) for index in model.inputs],
    }
    with builder.function("main", parameters, attrs=attributes):
        with builder.dataflow():
            fault, reasons = _convert_all(graph, model)
            complete = fault is None and not reasons
            results = [_result(graph, model, i) for i in model.outputs if complete]
        builder.emit_func_output(results[0] if len(results) == 1 else relax.Tuple(results))
    return builder.finalize(), fault, reasons


def _convert_all(graph: Graph, model: Model) -> tuple[ModelError | None, list[str]]:
    """Convert all operators; returns (fault of the file, reasons why operators are unsupported).

    A variable of the declared type stands in for each result of an unsupported operator, so that
    the operators after it are checked too.
    """
    reasons: list[str] = []
    for operator in model.operators:
        try:
            _convert(graph, operator)
        except ModelError as fault:
            return fault, reasons
        except UnsupportedError as error:
            reasons += error.reasons
            for index in operator.outputs:
                graph.bind(index, _variable(model.tensors[index]))
    return None, reasons


def _convert(graph: Graph, operator: Operator) -> None:
    converter = CONVERTERS.get(operator.kind)
    if converter is None:
        raise UnsupportedError(_unknown(operator, graph.model))
    try:
        converter(graph, operator)
    except (tvm.error.InternalError, ValueError, TypeError) as error:  # from type inference
        reason = " ".join(str(error).split())[-200:]
        raise ModelError(f"{label(operator)}: operands do not fit together: {reason}") from error


def _interface(tensor: Tensor) -> list[float]:
    """A model input's [scale, zero point], or [] if it is not quantized.

    The input's readers do not always tell: operators that copy integers read them with the scale
    and zero point of their result.
    """
    own = tensor.quantization
    if own is None or tensor.dtype not in ("int8", "uint8"):
        return []
    return [float(own.scales[0]), float(own.zero_points[0])]


def _variable(tensor: Tensor) -> Any:
    dtype = tensor.dtype if not tensor.dtype.isupper() else "int8"
    shape = [max(size, 1) for size in tensor.shape]
    return relax.Var(tensor.name, relax.TensorType(shape, dtype))


def _result(graph: Graph, model: Model, index: int) -> Any:
    """The Relax value of a model output.

    An output that is also a model input or a constant is bound to a variable of its own.
    """
    tensor = model.tensors[index]
    if tensor.constant:
        return graph.named(tensor, relax.const(tensor.data, tensor.dtype))
    if index in model.inputs:
        return graph.named(tensor, graph.value(index))
    return graph.value(index)
