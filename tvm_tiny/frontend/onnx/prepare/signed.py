"""uint8 quantization becomes int8.

Values - 128 with zero point - 128 stand for the same real numbers.
"""

from __future__ import annotations

import numpy as np

from ..graph import Array, Graph, Node, QParams, Refused


def uint8_to_int8(graph: Graph) -> None:
    """Rewrite all uint8 quantization; inputs and outputs of the model keep their type.

    A uint8 input is dequantized and quantized to int8 once. A uint8 output is quantized from the
    int8 tensor.
    """
    signed: dict[str, str] = {}
    changes: dict[int, list[Node]] = {}
    edge: list[Node] = []
    producers = graph.producers()
    for node in graph.nodes:
        if node.op not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        params = graph.qparams(node)
        if params.zero_point.dtype != np.uint8:
            continue
        shifted = QParams(params.scale, _shifted(params.zero_point), params.axis)
        if node.op == "QuantizeLinear":
            changes[id(node)] = _quantize(graph, node, params, shifted)
            continue
        source = node.inputs[0]
        maker = producers.get(source)
        if maker is not None and maker.op != "QuantizeLinear":
            raise Refused(
                f"{node.where}: its integers are made by {maker.op}; only those of QuantizeLinear, "
                "of an input or of a constant are supported"
            )
        if source in graph.constants and source not in signed:
            signed[source] = graph.constant(f"{source}_int8", _shifted(graph.constants[source]))
        elif source in graph.inputs and source not in signed:
            signed[source] = graph.fresh(f"{source}_int8")
            middle = graph.fresh(f"{source}_dequantized")
            edge.append(graph.dequantize(source, middle, params))
            edge.append(graph.quantize(middle, signed[source], shifted))
        changes[id(node)] = [graph.dequantize(signed.get(source, source), node.outputs[0], shifted)]
    graph.replace(changes)
    graph.nodes = [*edge, *graph.nodes]
    _rename_outputs(graph)


def _shifted(value: Array) -> Array:
    return (value.astype(np.int16) - 128).astype(np.int8)


def _quantize(graph: Graph, node: Node, params: QParams, shifted: QParams) -> list[Node]:
    """The int8 form of a uint8 QuantizeLinear.

    A model output is quantized to uint8 after it.
    """
    source, target = node.inputs[0], node.outputs[0]
    if target not in graph.outputs:
        return [graph.quantize(source, target, shifted)]
    integers, middle = graph.fresh(f"{target}_int8"), graph.fresh(f"{target}_dequantized")
    return [
        graph.quantize(source, integers, shifted),
        graph.dequantize(integers, middle, shifted),
        graph.quantize(middle, target, params),
    ]


def _rename_outputs(graph: Graph) -> None:
    """Let readers inside the model use the int8 tensor behind a uint8 output."""
    twins = {}
    producers = graph.producers()
    for name in graph.outputs:
        last = producers.get(name)
        if last is not None and last.op == "QuantizeLinear":
            middle = producers.get(last.inputs[0])
            if middle is not None and graph.qparams(last).zero_point.dtype == np.uint8:
                twins[name] = middle.inputs[0]
    for node in graph.nodes:
        node.inputs = [twins.get(name, name) for name in node.inputs]
