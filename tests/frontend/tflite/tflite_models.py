"""Small TFLite models for the frontend's tests, written with the schema's own bindings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
import tflite

TYPES = {
    "float16": tflite.TensorType.FLOAT16,
    "float32": tflite.TensorType.FLOAT32,
    "int8": tflite.TensorType.INT8,
    "uint8": tflite.TensorType.UINT8,
    "int16": tflite.TensorType.INT16,
    "int32": tflite.TensorType.INT32,
    "int64": tflite.TensorType.INT64,
    "int4": tflite.TensorType.INT4,
}


@dataclass(frozen=True)
class Affine:
    """Quantization of one tensor; `scale` may be a list along `axis`."""

    scale: Any
    zero_point: Any = 0
    axis: int = 0

    def real(self, values):
        """Dequantized values; one scale only."""
        return (values.astype(np.float64) - self.zero_point) * self.scale

    def integer(self, values):
        """Quantized int8 values; one scale only."""
        return np.clip(np.rint(values / self.scale) + self.zero_point, -128, 127).astype(np.int8)


class ModelWriter:
    """Collects tensors and operators by index, then writes the flatbuffer."""

    def __init__(self) -> None:
        self.tensors: list[dict[str, Any]] = []
        self.operators: list[dict[str, Any]] = []

    def tensor(
        self, name, shape, dtype="int8", affine=None, data=None, signature=None, **flags
    ) -> int:
        self.tensors.append(
            {
                "name": name,
                "shape": tuple(shape),
                "dtype": dtype,
                "affine": affine,
                "data": data,
                "signature": signature,
                **flags,
            }
        )
        return len(self.tensors) - 1

    def constant(self, name, values, affine=None) -> int:
        values = np.asarray(values)
        return self.tensor(name, values.shape, str(values.dtype), affine, values.tobytes())

    def operator(self, kind, inputs, outputs, options=None, **fields) -> None:
        self.operators.append(
            {
                "kind": kind,
                "inputs": list(inputs),
                "outputs": list(outputs),
                "options": options,
                "fields": fields,
            }
        )

    def finish(self, inputs, outputs, version=3, subgraphs=1) -> bytes:
        builder = flatbuffers.Builder(1024)
        buffers = self._buffers(builder)
        tensors = [self._tensor(builder, t, i + 1) for i, t in enumerate(self.tensors)]
        kinds = sorted({op["kind"] for op in self.operators})
        operators = [self._operator(builder, op, kinds) for op in self.operators]
        graphs = [
            self._graph(builder, tensors, operators, inputs, outputs) for _ in range(subgraphs)
        ]
        codes = [self._code(builder, kind) for kind in kinds]
        vectors = [_offsets(builder, items) for items in (codes, graphs, buffers)]
        tflite.ModelStart(builder)
        tflite.ModelAddVersion(builder, version)
        tflite.ModelAddOperatorCodes(builder, vectors[0])
        tflite.ModelAddSubgraphs(builder, vectors[1])
        tflite.ModelAddBuffers(builder, vectors[2])
        builder.Finish(tflite.ModelEnd(builder), b"TFL3")
        return bytes(builder.Output())

    def _buffers(self, builder) -> list[int]:
        result = []
        for data in (None, *(t["data"] for t in self.tensors)):
            vector = builder.CreateByteVector(data) if data else None
            tflite.BufferStart(builder)
            if vector is not None:
                tflite.BufferAddData(builder, vector)
            result.append(tflite.BufferEnd(builder))
        return result

    def _tensor(self, builder, tensor, buffer) -> int:
        name = builder.CreateString(tensor["name"])
        shape = builder.CreateNumpyVector(np.array(tensor["shape"], np.int32))
        signature = tensor["signature"]
        if signature is not None:
            signature = builder.CreateNumpyVector(np.array(signature, np.int32))
        quantization = _quantization(builder, tensor["affine"])
        sparsity = None
        if tensor.get("sparse"):
            tflite.SparsityParametersStart(builder)
            sparsity = tflite.SparsityParametersEnd(builder)
        tflite.TensorStart(builder)
        tflite.TensorAddName(builder, name)
        tflite.TensorAddShape(builder, shape)
        tflite.TensorAddType(builder, TYPES[tensor["dtype"]])
        tflite.TensorAddBuffer(builder, buffer)
        tflite.TensorAddIsVariable(builder, tensor.get("variable", False))
        if signature is not None:
            tflite.TensorAddShapeSignature(builder, signature)
        if quantization is not None:
            tflite.TensorAddQuantization(builder, quantization)
        if sparsity is not None:
            tflite.TensorAddSparsity(builder, sparsity)
        return tflite.TensorEnd(builder)

    def _operator(self, builder, operator, kinds) -> int:
        inputs = builder.CreateNumpyVector(np.array(operator["inputs"], np.int32))
        outputs = builder.CreateNumpyVector(np.array(operator["outputs"], np.int32))
        options = operator["options"]
        table = _options(builder, options, operator["fields"]) if options else None
        tflite.OperatorStart(builder)
        tflite.OperatorAddOpcodeIndex(builder, kinds.index(operator["kind"]))
        tflite.OperatorAddInputs(builder, inputs)
        tflite.OperatorAddOutputs(builder, outputs)
        if table is not None:
            tflite.OperatorAddBuiltinOptionsType(builder, getattr(tflite.BuiltinOptions, options))
            tflite.OperatorAddBuiltinOptions(builder, table)
        return tflite.OperatorEnd(builder)

    def _graph(self, builder, tensors, operators, inputs, outputs) -> int:
        vectors = [_offsets(builder, items) for items in (tensors, operators)]
        ends = [builder.CreateNumpyVector(np.array(x, np.int32)) for x in (inputs, outputs)]
        tflite.SubGraphStart(builder)
        tflite.SubGraphAddTensors(builder, vectors[0])
        tflite.SubGraphAddOperators(builder, vectors[1])
        tflite.SubGraphAddInputs(builder, ends[0])
        tflite.SubGraphAddOutputs(builder, ends[1])
        return tflite.SubGraphEnd(builder)

    def _code(self, builder, kind) -> int:
        value = kind if isinstance(kind, int) else getattr(tflite.BuiltinOperator, kind)
        custom = builder.CreateString("MyOp") if kind == "CUSTOM" else None
        tflite.OperatorCodeStart(builder)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, min(value, 127))
        tflite.OperatorCodeAddBuiltinCode(builder, value)
        if custom is not None:
            tflite.OperatorCodeAddCustomCode(builder, custom)
        return tflite.OperatorCodeEnd(builder)


def _quantization(builder, affine):
    if affine is None:
        return None
    scales = np.atleast_1d(np.asarray(affine.scale, np.float32))
    zero_points = np.broadcast_to(np.asarray(affine.zero_point, np.int64), scales.shape)
    vectors = [builder.CreateNumpyVector(np.ascontiguousarray(x)) for x in (scales, zero_points)]
    tflite.QuantizationParametersStart(builder)
    tflite.QuantizationParametersAddScale(builder, vectors[0])
    tflite.QuantizationParametersAddZeroPoint(builder, vectors[1])
    tflite.QuantizationParametersAddQuantizedDimension(builder, affine.axis)
    return tflite.QuantizationParametersEnd(builder)


def _options(builder, name, fields):
    values = {
        key: builder.CreateNumpyVector(np.array(value, np.int32))
        if isinstance(value, (list, tuple))
        else value
        for key, value in fields.items()
    }
    getattr(tflite, f"{name}Start")(builder)
    for key, value in values.items():
        getattr(tflite, f"{name}Add{key}")(builder, value)
    return getattr(tflite, f"{name}End")(builder)


def _offsets(builder, items) -> int:
    builder.StartVector(4, len(items), 4)
    for item in reversed(items):
        builder.PrependUOffsetTRelative(item)
    return builder.EndVector()


IN, OUT = Affine(0.05, -3), Affine(0.07, 5)


def unary_model(
    kind, shape, out_shape=None, options=None, constants=(), out=OUT, **fields
) -> bytes:
    """x (int8, `IN`) and constants through one operator to y (int8, `out`).

    `constants` are arrays, or (array, Affine) pairs, put after x as the further operands.
    """
    writer = ModelWriter()
    x = writer.tensor("x", shape, affine=IN)
    y = writer.tensor("y", out_shape or shape, affine=out)
    operands = [x]
    for number, value in enumerate(constants):
        array, affine = value if isinstance(value, tuple) else (value, None)
        operands.append(writer.constant(f"c{number}", array, affine))
    writer.operator(kind, operands, [y], options, **fields)
    return writer.finish([x], [y])


def small_network(seed=0) -> bytes:
    """Float input, QUANTIZE, PAD, CONV_2D, DEPTHWISE_CONV_2D, ADD, MEAN, FULLY_CONNECTED, SOFTMAX,
    DEQUANTIZE: what the fuzz test damages."""
    rng = np.random.default_rng(seed)
    w = ModelWriter()
    act = Affine(0.04, 2)
    image = w.tensor("image", (1, 6, 6, 2), "float32", signature=(-1, 6, 6, 2))
    q = w.tensor("image_q", (1, 6, 6, 2), affine=act)
    w.operator("QUANTIZE", [image], [q], "QuantizeOptions")
    padded = w.tensor("padded", (1, 8, 8, 2), affine=act)
    amounts = w.constant("amounts", np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
    w.operator("PAD", [q, amounts], [padded], "PadOptions")
    kernel = w.constant(
        "kernel",
        rng.integers(-127, 128, (4, 3, 3, 2), np.int8),
        Affine([0.01, 0.02, 0.015, 0.012], 0, 0),
    )
    bias = w.constant("bias", rng.integers(-100, 100, 4, np.int32))
    conv = w.tensor("conv", (1, 3, 3, 4), affine=act)
    steps = {"StrideW": 2, "StrideH": 2}
    ones = {"DilationWFactor": 1, "DilationHFactor": 1}
    w.operator(
        "CONV_2D",
        [padded, kernel, bias],
        [conv],
        "Conv2DOptions",
        Padding=1,
        FusedActivationFunction=1,
        **steps,
        **ones,
    )
    taps = w.constant(
        "taps", rng.integers(-127, 128, (1, 3, 3, 4), np.int8), Affine([0.01] * 4, 0, 3)
    )
    deep = w.tensor("deep", (1, 3, 3, 4), affine=act)
    w.operator(
        "DEPTHWISE_CONV_2D",
        [conv, taps],
        [deep],
        "DepthwiseConv2DOptions",
        Padding=0,
        DepthMultiplier=1,
        StrideW=1,
        StrideH=1,
        **ones,
    )
    total = w.tensor("total", (1, 3, 3, 4), affine=act)
    w.operator("ADD", [conv, deep], [total], "AddOptions")
    mean = w.tensor("mean", (1, 4), affine=act)
    axes = w.constant("axes", np.array([1, 2], np.int32))
    w.operator("MEAN", [total, axes], [mean], "ReducerOptions", KeepDims=False)
    weights = w.constant("weights", rng.integers(-127, 128, (3, 4), np.int8), Affine(0.02))
    logits = w.tensor("logits", (1, 3), affine=Affine(0.1, 0))
    w.operator("FULLY_CONNECTED", [mean, weights, -1], [logits], "FullyConnectedOptions")
    chances = w.tensor("chances", (1, 3), affine=Affine(1 / 256, -128))
    w.operator("SOFTMAX", [logits], [chances], "SoftmaxOptions", Beta=1.0)
    result = w.tensor("result", (1, 3), "float32")
    w.operator("DEQUANTIZE", [chances], [result], "DequantizeOptions")
    return w.finish([image], [result])
