"""Parts of a model that onnxruntime runs as models of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onnx import helper

from ..graph import Array
from .measure import session


def part(model: Any, nodes: Sequence[Any], inputs: Sequence[Any]) -> Any:
    """The model of some `nodes` of `model`, without outputs.

    inputs: descriptions of the part's inputs.
    """
    read = {name for node in nodes for name in node.input}
    constants = [tensor for tensor in model.graph.initializer if tensor.name in read]
    graph = helper.make_graph(nodes, "part", inputs, [], constants)
    return helper.make_model(
        graph,
        functions=model.functions,
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
    )


class Stepwise:
    """A model that runs on all samples at once, some nodes at a time.

    values: for each sample, the tensors that later nodes read.
    """

    def __init__(self, model: Any, feeds: Sequence[Mapping[str, Array]]) -> None:
        self._model = model
        self._done = 0
        self.values = [dict(feed) for feed in feeds]

    def run_until(self, position: int) -> None:
        """Run up to the node at `position`, whose results are kept too."""
        nodes = self._model.graph.node
        now, last = nodes[self._done : position + 1], nodes[position]
        later = {name for node in nodes[position + 1 :] for name in node.input} | {*last.output}
        inputs = self._inputs(now)
        names = [name for node in now for name in node.output if name in later]
        running = session(part(self._model, now, [*inputs.values()]), names)
        for values in self.values:
            results = running.run(names, {name: values[name] for name in inputs})
            values.update(zip(names, results, strict=True))
            for name in values.keys() - later:
                del values[name]
        self._done = position + 1

    def _inputs(self, nodes: Sequence[Any]) -> dict[str, Any]:
        """Descriptions of the tensors that `nodes` read and earlier nodes have computed."""
        known = self.values[0]
        read = dict.fromkeys(name for node in nodes for name in node.input if name in known)
        return {
            name: helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(known[name].dtype), known[name].shape
            )
            for name in read
        }
