"""A small writer of .tflite files: tensors, constants, and one method an operator.

    b = Builder()
    x = b.input((1, 8, 8, 3), Quant(0.02, -5))
    y = b.conv2d(x, weights, weight_scales, bias, Quant(0.1, 3), stride=(2, 2))
    data = b.finish([y])

Shapes are inferred; quantization is the caller's. Follows the schema of TensorFlow Lite
version 3 (schema.fbs). It checks nothing: whoever wants an illegal file can write one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite

from .draw import Quant

OPTIONS = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "ADD": "AddOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "PAD": "PadOptions",
    "PADV2": "PadV2Options",
    "RESHAPE": "ReshapeOptions",
    "SQUEEZE": "SqueezeOptions",
    "TRANSPOSE": "TransposeOptions",
    "CONCATENATION": "ConcatenationOptions",
    "SPLIT": "SplitOptions",
    "STRIDED_SLICE": "StridedSliceOptions",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
    "RESIZE_BILINEAR": "ResizeBilinearOptions",
    "SOFTMAX": "SoftmaxOptions",
    "HARD_SWISH": "HardSwishOptions",
    "LEAKY_RELU": "LeakyReluOptions",
    "TRANSPOSE_CONV": "TransposeConvOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
    "ARG_MAX": "ArgMaxOptions",
    "QUANTIZE": "QuantizeOptions",
    "DEQUANTIZE": "DequantizeOptions",
    "EXPAND_DIMS": "ExpandDimsOptions",
}
# Where 2 is too low for what the methods below write, or higher than the operator ever had.
VERSIONS = {
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "FULLY_CONNECTED": 4,
    "TRANSPOSE_CONV": 4,
    "BATCH_MATMUL": 4,
    "STRIDED_SLICE": 2,
    "RESIZE_NEAREST_NEIGHBOR": 3,
    "RESIZE_BILINEAR": 3,
    "HARD_SWISH": 1,
    "EXPAND_DIMS": 1,
    "PRELU": 1,
    "SQUEEZE": 1,
    "RESHAPE": 1,
}
TYPES = {"float32": "FLOAT32", "int32": "INT32", "uint8": "UINT8", "int8": "INT8"}
ENUMS = {
    "Padding": tflite.Padding,
    "FusedActivationFunction": tflite.ActivationFunctionType,
    "OutputType": tflite.TensorType,
}


@dataclass(frozen=True)
class Tensor:
    """A tensor of the model; scales and zero points are empty where it is not quantized."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0
    data: np.ndarray | None = field(default=None, compare=False)

    @property
    def quant(self) -> Quant:
        return Quant(self.scales[0], self.zero_points[0])

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class _Operator:
    code: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: dict[str, Any]


def window_extent(extent: int, kernel: int, stride: int, dilation: int, padding: str) -> int:
    """Output extent of a sliding window."""
    covered = (kernel - 1) * dilation + 1
    return -(-extent // stride) if padding == "SAME" else -(-(extent - covered + 1) // stride)


class Builder:
    """Collects tensors and operators of one subgraph; `finish` gives the file."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.operators: list[_Operator] = []
        self.inputs: list[Tensor] = []

    # -- tensors --------------------------------------------------------------------------

    def tensor(
        self, name: str, shape: Sequence[int], dtype: str = "int8", quant: Quant | None = None
    ) -> Tensor:
        """A tensor some operator writes."""
        scales, zeros = ((quant.scale,), (quant.zero_point,)) if quant else ((), ())
        return self._append(name, shape, dtype, scales, zeros)

    def input(self, shape: Sequence[int], quant: Quant | None, dtype: str = "int8") -> Tensor:
        name = f"serving_default_input_{len(self.inputs)}:0"
        self.inputs.append(self.tensor(name, shape, dtype, quant))
        return self.inputs[-1]

    def constant(
        self, name: str, data: np.ndarray, scales: Sequence[float] = (), zero_point: int = 0,
        axis: int = 0,
    ) -> Tensor:
        """A constant; one scale per entry of `axis`, or one in all, or none."""
        zeros = (zero_point,) * len(scales)
        return self._append(name, data.shape, str(data.dtype), scales, zeros, axis, data)

    def _append(
        self, name: str, shape: Sequence[int], dtype: str, scales: Sequence[float],
        zeros: Sequence[int], axis: int = 0, data: np.ndarray | None = None,
    ) -> Tensor:
        index = len(self.tensors)
        full = name if ":" in name else f"model/{name}_{index}"
        as_read = tuple(float(np.float32(s)) for s in scales)
        dims = tuple(int(d) for d in shape)
        self.tensors.append(Tensor(index, full, dims, dtype, as_read, tuple(zeros), axis, data))
        return self.tensors[-1]

    def _ints(self, name: str, values: Sequence[int] | int) -> Tensor:
        return self.constant(name, np.asarray(values, "int32"))

    # -- operators ------------------------------------------------------------------------

    def operator(
        self, code: str, inputs: Sequence[Tensor | None], shape: Sequence[int],
        quant: Quant | None, dtype: str = "int8", **options: Any,
    ) -> Tensor:
        """Any operator of one output; options are the schema's fields in snake_case."""
        output = self.tensor(code.lower(), shape, dtype, quant)
        self.operators.append(_Operator(code, tuple(inputs), (output,), options))
        return output

    def conv2d(
        self, x: Tensor, weights: np.ndarray, scales: Sequence[float], bias: np.ndarray | None,
        out: Quant, *, stride: tuple[int, int] = (1, 1), dilation: tuple[int, int] = (1, 1),
        padding: str = "SAME", activation: str = "NONE",
    ) -> Tensor:
        """x [N,H,W,C], weights int8 [O,KH,KW,C/groups], bias int32 [O]; stride (h, w)."""
        height, width = self._window(x, weights.shape[1:3], stride, dilation, padding)
        return self.operator(
            "CONV_2D", self._weighted(x, weights, scales, bias, axis=0),
            (x.shape[0], height, width, weights.shape[0]), out,
            padding=padding, stride_h=stride[0], stride_w=stride[1],
            dilation_h_factor=dilation[0], dilation_w_factor=dilation[1],
            fused_activation_function=activation,
        )

    def depthwise_conv2d(
        self, x: Tensor, weights: np.ndarray, scales: Sequence[float], bias: np.ndarray | None,
        out: Quant, *, stride: tuple[int, int] = (1, 1), dilation: tuple[int, int] = (1, 1),
        padding: str = "SAME", activation: str = "NONE",
    ) -> Tensor:
        """x [N,H,W,C], weights int8 [1,KH,KW,C*multiplier], bias int32 [C*multiplier]."""
        height, width = self._window(x, weights.shape[1:3], stride, dilation, padding)
        return self.operator(
            "DEPTHWISE_CONV_2D", self._weighted(x, weights, scales, bias, axis=3),
            (x.shape[0], height, width, weights.shape[3]), out,
            padding=padding, stride_h=stride[0], stride_w=stride[1],
            depth_multiplier=weights.shape[3] // x.shape[3],
            dilation_h_factor=dilation[0], dilation_w_factor=dilation[1],
            fused_activation_function=activation,
        )

    def transpose_conv(
        self, x: Tensor, weights: np.ndarray, scales: Sequence[float], bias: np.ndarray | None,
        out: Quant, extent: tuple[int, int], *, stride: tuple[int, int] = (1, 1),
        padding: str = "SAME", activation: str = "NONE",
    ) -> Tensor:
        """x [N,H,W,C], weights int8 [O,KH,KW,C], extent: the output's height and width."""
        shape = (x.shape[0], *extent, weights.shape[0])
        _, w, *b = self._weighted(x, weights, scales, bias, axis=0)
        return self.operator(
            "TRANSPOSE_CONV", [self._ints("output_shape", shape), w, x, *b], shape, out,
            padding=padding, stride_h=stride[0], stride_w=stride[1],
            fused_activation_function=activation,
        )

    def fully_connected(
        self, x: Tensor, weights: np.ndarray, scales: Sequence[float], bias: np.ndarray | None,
        out: Quant, *, activation: str = "NONE", keep_num_dims: bool = False,
    ) -> Tensor:
        """x [..., I] or anything of n*I elements, weights int8 [O, I], bias int32 [O]."""
        rows, columns = weights.shape
        shape = (*x.shape[:-1], rows) if keep_num_dims else (x.size // columns, rows)
        return self.operator(
            "FULLY_CONNECTED", self._weighted(x, weights, scales, bias, axis=0), shape, out,
            fused_activation_function=activation, keep_num_dims=keep_num_dims,
        )

    def batch_matmul(
        self, a: Tensor, b: Tensor, out: Quant, *, adj_x: bool = False, adj_y: bool = False
    ) -> Tensor:
        """a [..., M, K] (or [..., K, M] with adj_x) times b [..., K, N] (or [..., N, K])."""
        rows, columns = a.shape[-1 if adj_x else -2], b.shape[-2 if adj_y else -1]
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        shape = (*batch, rows, columns)
        return self.operator("BATCH_MATMUL", [a, b], shape, out, adj_x=adj_x, adj_y=adj_y)

    def binary(
        self, code: str, a: Tensor, b: Tensor, out: Quant, *, activation: str | None = None
    ) -> Tensor:
        """ADD, SUB, MUL (with a fused activation), MAXIMUM or MINIMUM (without), broadcasting."""
        fused = {} if activation is None else {"fused_activation_function": activation}
        return self.operator(code, [a, b], np.broadcast_shapes(a.shape, b.shape), out, **fused)

    def pool(
        self, code: str, x: Tensor, kernel: tuple[int, int], *, stride: tuple[int, int] = (1, 1),
        padding: str = "SAME", activation: str = "NONE",
    ) -> Tensor:
        """AVERAGE_POOL_2D or MAX_POOL_2D; the output's quantization is the input's."""
        height, width = self._window(x, kernel, stride, (1, 1), padding)
        return self.operator(
            code, [x], (x.shape[0], height, width, x.shape[3]), x.quant,
            padding=padding, stride_h=stride[0], stride_w=stride[1], filter_height=kernel[0],
            filter_width=kernel[1], fused_activation_function=activation,
        )

    def mean(self, x: Tensor, axes: Sequence[int], out: Quant, *, keep_dims: bool) -> Tensor:
        reduced = {axis % x.rank for axis in axes}
        shape = [1 if i in reduced else d for i, d in enumerate(x.shape)
                 if keep_dims or i not in reduced]
        return self.operator("MEAN", [x, self._ints("axes", axes)], shape, out,
                             keep_dims=keep_dims)

    def pad(self, x: Tensor, widths: np.ndarray, value: int | None = None) -> Tensor:
        """widths [rank, 2]; PADV2 where a quantized value is given."""
        shape = [d + int(w.sum()) for d, w in zip(x.shape, widths, strict=True)]
        inputs = [x, self._ints("paddings", widths)]
        if value is None:
            return self.operator("PAD", inputs, shape, x.quant)
        scalar = self.constant("pad_value", np.asarray(value, "int8"), x.scales, x.zero_points[0])
        return self.operator("PADV2", [*inputs, scalar], shape, x.quant)

    def reshape(self, x: Tensor, shape: Sequence[int], *, as_tensor: bool = True) -> Tensor:
        """The new shape (one -1 allowed) as a second input, or, as in old files, an option."""
        known = np.empty(x.shape, "int8").reshape(shape).shape
        if as_tensor:
            return self.operator("RESHAPE", [x, self._ints("shape", shape)], known, x.quant)
        return self.operator("RESHAPE", [x], known, x.quant, new_shape=list(shape))

    def squeeze(self, x: Tensor, axes: Sequence[int] = ()) -> Tensor:
        """Drops the named axes, or all of extent one."""
        gone = {axis % x.rank for axis in axes} or {i for i, d in enumerate(x.shape) if d == 1}
        shape = [d for i, d in enumerate(x.shape) if i not in gone]
        return self.operator("SQUEEZE", [x], shape, x.quant, squeeze_dims=list(axes))

    def expand_dims(self, x: Tensor, axis: int) -> Tensor:
        at = axis % (x.rank + 1)
        shape = (*x.shape[:at], 1, *x.shape[at:])
        return self.operator("EXPAND_DIMS", [x, self._ints("axis", axis)], shape, x.quant)

    def transpose(self, x: Tensor, order: Sequence[int]) -> Tensor:
        shape = [x.shape[i] for i in order]
        return self.operator("TRANSPOSE", [x, self._ints("perm", order)], shape, x.quant)

    def concatenation(self, parts: Sequence[Tensor], axis: int) -> Tensor:
        """All parts and the result share one quantization."""
        shape = list(parts[0].shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        return self.operator("CONCATENATION", parts, shape, parts[0].quant, axis=axis,
                             fused_activation_function="NONE")

    def split(self, x: Tensor, axis: int, count: int) -> list[Tensor]:
        shape = list(x.shape)
        shape[axis] //= count
        outputs = tuple(self.tensor("split", shape, "int8", x.quant) for _ in range(count))
        inputs = (self._ints("split_axis", axis), x)
        self.operators.append(_Operator("SPLIT", inputs, outputs, {"num_splits": count}))
        return list(outputs)

    def strided_slice(
        self, x: Tensor, begin: Sequence[int], end: Sequence[int], strides: Sequence[int],
        shape: Sequence[int], *, begin_mask: int = 0, end_mask: int = 0, shrink_axis_mask: int = 0,
    ) -> Tensor:
        """The caller knows the result's shape."""
        inputs = [x, self._ints("begin", begin), self._ints("end", end),
                  self._ints("strides", strides)]
        return self.operator(
            "STRIDED_SLICE", inputs, shape, x.quant, begin_mask=begin_mask, end_mask=end_mask,
            shrink_axis_mask=shrink_axis_mask,
        )

    def resize(
        self, code: str, x: Tensor, extent: tuple[int, int], *, align_corners: bool = False,
        half_pixel_centers: bool = False,
    ) -> Tensor:
        """RESIZE_NEAREST_NEIGHBOR or RESIZE_BILINEAR to (height, width)."""
        return self.operator(
            code, [x, self._ints("size", extent)], (x.shape[0], *extent, x.shape[3]), x.quant,
            align_corners=align_corners, half_pixel_centers=half_pixel_centers,
        )

    def unary(self, code: str, x: Tensor, out: Quant, **options: Any) -> Tensor:
        """SOFTMAX (beta), LOGISTIC, TANH, HARD_SWISH, RELU, RELU6, LEAKY_RELU (alpha)."""
        return self.operator(code, [x], x.shape, out, **options)

    def prelu(self, x: Tensor, alpha: np.ndarray, alpha_quant: Quant, out: Quant) -> Tensor:
        slope = self.constant("alpha", alpha, (alpha_quant.scale,), alpha_quant.zero_point)
        return self.operator("PRELU", [x, slope], x.shape, out)

    def arg_max(self, x: Tensor, axis: int) -> Tensor:
        """int32 indices without the reduced axis."""
        shape = [d for i, d in enumerate(x.shape) if i != axis % x.rank]
        return self.operator("ARG_MAX", [x, self._ints("axis", axis)], shape, None, "int32",
                             output_type="INT32")

    def quantize(self, x: Tensor, out: Quant, dtype: str = "int8") -> Tensor:
        """From float32, or from another quantization."""
        return self.operator("QUANTIZE", [x], x.shape, out, dtype)

    def dequantize(self, x: Tensor) -> Tensor:
        return self.operator("DEQUANTIZE", [x], x.shape, None, "float32")

    def _window(
        self, x: Tensor, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int],
        padding: str,
    ) -> tuple[int, int]:
        height, width = (
            window_extent(x.shape[1 + i], kernel[i], stride[i], dilation[i], padding)
            for i in (0, 1)
        )
        return height, width

    def _weighted(
        self, x: Tensor, weights: np.ndarray, scales: Sequence[float], bias: np.ndarray | None,
        axis: int,
    ) -> list[Tensor | None]:
        """Inputs x, weights and, if any, the bias with scale x's times the weights'."""
        w = self.constant("weights", weights, scales, axis=axis)
        if bias is None:
            # Converters mark a missing bias with -1 here and leave it out in convolutions.
            return [x, w, None] if weights.ndim == 2 else [x, w]
        bias_scales = [x.scales[0] * s for s in w.scales]
        return [x, w, self.constant("bias", bias, bias_scales)]

    # -- the file -------------------------------------------------------------------------

    def finish(self, outputs: Sequence[Tensor]) -> bytes:
        """The model as a flatbuffer with the identifier TFL3."""
        return _Writer(self).model(outputs)


class _Writer:
    """One pass over a Builder; flatbuffers are written from the leaves up."""

    def __init__(self, source: Builder) -> None:
        self.source = source
        self.flat = flatbuffers.Builder(1024)
        self.codes = sorted({operator.code for operator in source.operators})

    def model(self, outputs: Sequence[Tensor]) -> bytes:
        flat = self.flat
        constants = [t for t in self.source.tensors if t.data is not None]
        # Buffer 0 is, by the schema, the empty one that every other tensor names.
        buffer_of = {t.index: 1 + i for i, t in enumerate(constants)}
        buffers = [self._buffer(None), *(self._buffer(t.data) for t in constants)]
        buffer_vector = self._tables(buffers)
        codes = self._tables([self._code(code) for code in self.codes])
        subgraphs = self._tables([self._subgraph(outputs, buffer_of)])
        description = flat.CreateString("tvm_tiny random model")
        tflite.ModelStart(flat)
        tflite.ModelAddVersion(flat, 3)
        tflite.ModelAddOperatorCodes(flat, codes)
        tflite.ModelAddSubgraphs(flat, subgraphs)
        tflite.ModelAddDescription(flat, description)
        tflite.ModelAddBuffers(flat, buffer_vector)
        flat.Finish(tflite.ModelEnd(flat), file_identifier=b"TFL3")
        return bytes(flat.Output())

    def _subgraph(self, outputs: Sequence[Tensor], buffer_of: dict[int, int]) -> int:
        flat, source = self.flat, self.source
        tensors = self._tables([self._tensor(t, buffer_of.get(t.index, 0)) for t in source.tensors])
        operators = self._tables([self._operator(o) for o in source.operators])
        inputs = self._indices(source.inputs)
        outs = self._indices(outputs)
        name = flat.CreateString("main")
        tflite.SubGraphStart(flat)
        tflite.SubGraphAddTensors(flat, tensors)
        tflite.SubGraphAddInputs(flat, inputs)
        tflite.SubGraphAddOutputs(flat, outs)
        tflite.SubGraphAddOperators(flat, operators)
        tflite.SubGraphAddName(flat, name)
        return tflite.SubGraphEnd(flat)

    def _tensor(self, tensor: Tensor, buffer: int) -> int:
        flat = self.flat
        name = flat.CreateString(tensor.name)
        shape = self._array(np.asarray(tensor.shape, "int32"))
        quantization = self._quantization(tensor) if tensor.scales else None
        tflite.TensorStart(flat)
        tflite.TensorAddShape(flat, shape)
        tflite.TensorAddType(flat, getattr(tflite.TensorType, TYPES[tensor.dtype]))
        tflite.TensorAddBuffer(flat, buffer)
        tflite.TensorAddName(flat, name)
        if quantization is not None:
            tflite.TensorAddQuantization(flat, quantization)
        return tflite.TensorEnd(flat)

    def _quantization(self, tensor: Tensor) -> int:
        flat = self.flat
        scale = self._array(np.asarray(tensor.scales, "float32"))
        zero = self._array(np.asarray(tensor.zero_points, "int64"))
        tflite.QuantizationParametersStart(flat)
        tflite.QuantizationParametersAddScale(flat, scale)
        tflite.QuantizationParametersAddZeroPoint(flat, zero)
        tflite.QuantizationParametersAddQuantizedDimension(flat, tensor.axis)
        return tflite.QuantizationParametersEnd(flat)

    def _operator(self, operator: _Operator) -> int:
        flat = self.flat
        inputs = self._indices(operator.inputs)
        outputs = self._indices(operator.outputs)
        table = OPTIONS.get(operator.code)
        options = self._options(table, operator.options) if table else None
        tflite.OperatorStart(flat)
        tflite.OperatorAddOpcodeIndex(flat, self.codes.index(operator.code))
        tflite.OperatorAddInputs(flat, inputs)
        tflite.OperatorAddOutputs(flat, outputs)
        if options is not None:
            kind = getattr(tflite.BuiltinOptions, table)
            tflite.OperatorAddBuiltinOptionsType(flat, kind)
            tflite.OperatorAddBuiltinOptions(flat, options)
        return tflite.OperatorEnd(flat)

    def _options(self, table: str, options: dict[str, Any]) -> int:
        fields = {"".join(p.capitalize() for p in k.split("_")): v for k, v in options.items()}
        for name, value in fields.items():
            if isinstance(value, str):
                fields[name] = getattr(ENUMS[name], value)
            elif isinstance(value, list):
                fields[name] = self._array(np.asarray(value, "int32"))
        getattr(tflite, f"{table}Start")(self.flat)
        for name, value in fields.items():
            getattr(tflite, f"{table}Add{name}")(self.flat, value)
        return int(getattr(tflite, f"{table}End")(self.flat))

    def _code(self, code: str) -> int:
        value = getattr(tflite.BuiltinOperator, code)
        tflite.OperatorCodeStart(self.flat)
        # Readers older than schema 3a look at this byte; 127 sends the newer ones to the other.
        tflite.OperatorCodeAddDeprecatedBuiltinCode(self.flat, min(value, 127))
        tflite.OperatorCodeAddVersion(self.flat, VERSIONS.get(code, 2))
        tflite.OperatorCodeAddBuiltinCode(self.flat, value)
        return tflite.OperatorCodeEnd(self.flat)

    def _buffer(self, data: np.ndarray | None) -> int:
        content = None if data is None else self._bytes(data.tobytes())
        tflite.BufferStart(self.flat)
        if content is not None:
            tflite.BufferAddData(self.flat, content)
        return tflite.BufferEnd(self.flat)

    def _bytes(self, content: bytes) -> int:
        """A byte vector aligned to 16, as the schema demands of constants."""
        flat = self.flat
        flat.StartVector(1, len(content), 16)
        flat.head = flat.head - len(content)
        flat.Bytes[flat.head : flat.head + len(content)] = content
        return flat.EndVector()

    def _array(self, values: np.ndarray) -> int:
        return self.flat.CreateNumpyVector(values)

    def _indices(self, tensors: Sequence[Tensor | None]) -> int:
        return self._array(np.asarray([-1 if t is None else t.index for t in tensors], "int32"))

    def _tables(self, offsets: Sequence[int]) -> int:
        self.flat.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.flat.PrependUOffsetTRelative(offset)
        return self.flat.EndVector()
