"""Converts operators without an integer form with TVM's own ONNX frontend.

Each node is converted as a model of its own.
"""

from __future__ import annotations

import io
import traceback
import warnings
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import onnx
from tvm import relax
from tvm.relax.frontend.onnx import from_onnx

from tvm_tiny.relax_rewrite import end_blocks

from ...remedies import refused, remedy
from ..graph import Array, Node, Refused
from ..load import first_line
from .context import Context, dims


def convert_by_tvm(context: Context, node: Node) -> list[Any]:
    """Convert one node with TVM's frontend and copy its bindings.

    The result stays in float.
    """
    if node.domain:
        raise Refused(f"operators of domain '{node.domain}' are not supported")
    if not hasattr(onnx, "defs") or not onnx.defs.has(node.op, context.opset, ""):
        raise Refused("not an ONNX operator of this opset")
    if refused(node.op):
        raise Refused(f"not supported; {remedy(node.op)}")
    names = [name for name in dict.fromkeys(node.inputs) if name]
    known = {name: context.graph.real(name) for name in names}
    constants = {name: value for name, value in known.items() if value is not None}
    values = {name: context.value(name) for name in names if name not in constants}
    try:
        # TVM's frontend prints and warns where it cannot convert; the refusal replaces that.
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = from_onnx(_single_node_model(context, node, values, constants))
            function = _with_static_shapes(module)["main"]
    except Exception as error:
        # TVM's frontend raises any type of exception for an unknown operator.
        _end_blocks(error)
        raise Refused(_not_supported(error)) from error
    if len(module.functions) > 1:  # with TIR functions, which no later pass reads
        raise Refused(f"not supported; {remedy(node.op)}")
    return _inline(context, function, list(values.values()))


def _end_blocks(error: Exception) -> None:
    """End the builder blocks that an error left open in TVM's importer."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        builder = getattr(frame.f_locals.get("self"), "bb", None)
        if isinstance(builder, relax.BlockBuilder):
            end_blocks(builder)


def _not_supported(error: Exception) -> str:
    """The reason for a refusal, from the error of TVM's frontend.

    An error that says no more than that, or speaks of TVM's classes, is replaced by a remedy.
    """
    reason = first_line(error)
    known = "are not supported for frontend" not in reason and "tvm." not in reason
    return f"not supported ({reason})" if known else f"not supported; {remedy('')}"


def _single_node_model(
    context: Context, node: Node, values: dict[str, Any], constants: dict[str, Array]
) -> Any:
    helper = onnx.helper
    attributes = {
        name: onnx.numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for name, value in node.attrs.items()
    }
    inputs = [
        helper.make_tensor_value_info(name, _code(str(value.ty.dtype)), dims(value))
        for name, value in values.items()
    ]
    stored = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    outputs = [_declared(context, name) for name in node.outputs if name]
    proto = helper.make_node(node.op, node.inputs, node.outputs, **attributes)
    graph = helper.make_graph([proto], "operator", inputs, outputs, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", context.opset)])


def _declared(context: Context, name: str) -> Any:
    """The type of a result, if inference on the whole model found it."""
    known = context.graph.types.get(name)
    if known is None:
        return onnx.helper.make_empty_tensor_value_info(name)
    return onnx.helper.make_tensor_value_info(name, _code(known.dtype), known.shape)


def _code(dtype: str) -> int:
    return int(onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


@relax.expr_functor.mutator
class _StaticShapes(relax.PyExprMutator):
    """A mutator that replaces shapes computed at run time by constants."""

    def visit_call_(self, call: Any) -> Any:
        """Replace `shape_to_tensor(shape_of(x))` by a constant; the shapes are left unused."""
        call = super().visit_call_(call)
        if getattr(call.op, "name", "") != "relax.shape_to_tensor":
            return call
        source = self.lookup_binding(call.args[0])
        if getattr(getattr(source, "op", None), "name", "") != "relax.shape_of":
            return call
        return relax.const(np.asarray(dims(source.args[0]), np.int64), "int64")


def _with_static_shapes(module: Any) -> Any:
    """Evaluate everything in `module` that depends on shapes only; all its shapes are known."""
    mutator = _StaticShapes(module)
    function = mutator.visit_expr(module["main"])
    mutator.builder_.update_func(module.get_global_var("main"), function)
    folded = relax.transform.FoldConstant()(mutator.builder_.get())
    return relax.transform.DeadCodeElimination(["main"])(folded)


def _inline(context: Context, function: Any, arguments: list[Any]) -> list[Any]:
    """Emit the bindings of `function` with its parameters replaced; returns its results."""
    known = dict(zip(function.params, arguments, strict=True))

    @relax.expr_functor.mutator
    class Substitute(relax.PyExprMutator):
        def visit_var_(self, var: Any) -> Any:
            return known.get(var, var)

        def visit_dataflow_var_(self, var: Any) -> Any:
            return known.get(var, var)

    substitute = Substitute()
    for block in function.body.blocks:
        for binding in block.bindings:
            known[binding.var] = context.emit(substitute.visit_expr(binding.value))
    result = substitute.visit_expr(function.body.body)
    return list(result.fields) if isinstance(result, relax.Tuple) else [result]
