"""The Relax function under construction, shared by all converters.

It holds values by tensor name and the bindings made so far.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tvm
from tvm import relax

from ..graph import Array, Graph, Node, QParams, Refused
from ..load import MAX_TENSOR_ELEMENTS
from ..prepare.folding import known_results


def dims(expr: Any) -> tuple[int, ...]:
    """Static shape of a Relax expression."""
    shape = expr.ty.shape
    if shape is None or not all(isinstance(dim, (int, tvm.tirx.IntImm)) for dim in shape):
        raise Refused("its shape is not static")
    return tuple(int(dim) for dim in shape)


class Context:
    """Builds function "main".

    It makes bindings itself, without the builder's `emit`, so that names stay as in the model.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.opset = graph.opset
        self._builder = relax.BlockBuilder()
        self._bindings: list[Any] = []
        self._producers = graph.producers()
        self._params = {
            name: relax.Var(name, relax.TensorType(known.shape, known.dtype))
            for name, known in graph.inputs.items()
        }
        self._values: dict[str, Any] = dict(self._params)

    def emit(self, call: Any, name: str = "", *, output: bool = False) -> Any:
        """Bind `call` to a variable called `name` (default: a number) and return the variable."""
        expr = self._builder.normalize(call)
        kind = relax.Var if output else relax.DataflowVar
        var = kind(name or f"lv{len(self._bindings)}", expr.ty)
        self._bindings.append(relax.VarBinding(var, expr))
        return var

    def value(self, name: str) -> Any:
        """The Relax value of a tensor; a dequantized one is dequantized anew for each use."""
        source = self._producers.get(name)
        if source is not None and source.op == "DequantizeLinear":
            return self.dequantize(self.value(source.inputs[0]), self.graph.qparams(source))
        if name in self.graph.constants:
            # Without a type, TVM would turn int64 into int32.
            value = self.graph.constants[name]
            return relax.const(value, str(value.dtype))
        return self._values[name]

    def dequantize(self, value: Any, params: QParams) -> Any:
        """Emit dequantize of a Relax value."""
        scale, zero_point = relax.const(params.scale), relax.const(params.zero_point)
        return self.emit(relax.op.dequantize(value, scale, zero_point, axis=params.axis))

    def dequantized_constant(self, name: str) -> tuple[Array, QParams] | None:
        """Integers and parameters of a dequantized constant; None for any other tensor."""
        source = self._producers.get(name)
        if source is None or source.op != "DequantizeLinear":
            return None
        raw = self.graph.constants.get(source.inputs[0])
        return None if raw is None else (raw, self.graph.qparams(source))

    def real_constant(self, name: str) -> Array | None:
        """Values of a float constant, or of a dequantized one; None for any other tensor."""
        known = self.dequantized_constant(name)
        if known is None:
            return self.graph.constants.get(name)
        raw, params = known
        shape = [1] * raw.ndim
        if not params.per_tensor:
            shape[params.axis] = -1
        scale, zero = (np.reshape(part, shape) for part in (params.scale, params.zero_point))
        return np.asarray((raw.astype(np.float32) - zero) * scale, np.float32)

    def constant(self, node: Node, index: int, attribute: str = "") -> Array | None:
        """The value of input `index`, which must be a constant; None where it is absent.

        In older opsets the attribute of this name takes the input's place.
        """
        if attribute and attribute in node.attrs:
            return np.asarray(node.attrs[attribute])
        name = node.input(index)
        if not name:
            return None
        value = self.graph.real(name)
        if value is None:
            raise Refused(f"its input {index} ('{name}') must be a constant")
        return value

    def ints(self, node: Node, index: int, attribute: str = "") -> list[int] | None:
        """The value of `constant` as a list of integers."""
        value = self.constant(node, index, attribute)
        return None if value is None else [int(item) for item in value.reshape(-1)]

    def fold(self, node: Node) -> bool:
        """Turn results that follow from constants and shapes into constants.

        Returns whether it did. At this point every shape is known, also where ONNX's own inference
        gave up.
        """
        values = known_results(self.graph, node, self.graph.constants.get, self._shape)
        self.graph.constants.update(values or {})
        return values is not None

    def _shape(self, name: str) -> tuple[int, ...] | None:
        source = self._producers.get(name)
        if source is not None and source.op == "DequantizeLinear":
            return self._shape(source.inputs[0])
        if name in self.graph.constants:
            return tuple(self.graph.constants[name].shape)
        return dims(self._values[name]) if name in self._values else None

    def ready(self, node: Node) -> bool:
        """Whether all inputs have values; they lack one where an operator was refused."""
        return all(self._has_value(name) for name in node.inputs if name)

    def _has_value(self, name: str) -> bool:
        source = self._producers.get(name)
        if source is not None and source.op == "DequantizeLinear":
            return self._has_value(source.inputs[0])
        return name in self.graph.constants or name in self._values

    def bind_placeholders(self, node: Node) -> None:
        """Bind a refused node's outputs to typed variables, so that later nodes are checked too."""
        for name in node.outputs:
            known = self.graph.types.get(name)
            if name and known is not None:
                kind = relax.TensorType(known.shape, known.dtype)
                self._values[name] = relax.DataflowVar(name, kind)

    def bind_results(self, node: Node, results: list[Any]) -> None:
        """Record the values of a converted node's results under their names."""
        for name, result in zip(node.outputs, results, strict=False):
            if name:
                self._values[name] = result

    def check_sizes(self, results: list[Any]) -> None:
        """Refuse results too large to compile before anything allocates them."""
        for result in results:
            if math.prod(dims(result)) > MAX_TENSOR_ELEMENTS:
                raise Refused(f"its result of shape {list(dims(result))} has over 2^31 elements")

    def module(self) -> tvm.IRModule:
        """The finished module with the attributes of the QDQ form."""
        results = [self._output(name) for name in self.graph.outputs]
        body = results[0] if len(results) == 1 else self._builder.normalize(relax.Tuple(results))
        seq = relax.SeqExpr([relax.DataflowBlock(self._bindings)], body)
        params = list(self._params.values())
        function = relax.Function(params, self._builder.normalize(seq), body.ty)
        function = function.with_attr("num_input", len(self._params))
        names = [str(name) for name in self.graph.outputs]
        function = function.with_attr("tvm_tiny.output_names", names)
        # onnxruntime rounds once, in float32; TFLite's two integer roundings would differ from it.
        function = function.with_attr("tvm_tiny.rounding", "float32")
        function = function.with_attr("global_symbol", "main")
        return tvm.IRModule({"main": function})

    def _output(self, name: str) -> Any:
        """Bind a model output to a variable of its name, visible outside the dataflow block."""
        value = self.value(name)
        last = self._bindings[-1] if self._bindings else None
        if last is not None and last.var.same_as(value) and not self._is_shared(name):
            self._bindings.pop()
            return self.emit(last.value, name, output=True)
        return self.emit(value, name, output=True)

    def _is_shared(self, name: str) -> bool:
        """Whether the variable of output `name` may be read by anything else."""
        users = self.graph.consumers().get(name, [])
        return bool(users) or self.graph.outputs.count(name) > 1
