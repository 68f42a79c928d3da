"""Ranges of activations with the least squared error: calibration method "mse".

A narrower range cuts off a few values and rounds all others more finely. Each tensor gets, among a
few hundred ranges, the one with which its values change least: Nagel et al. 2021, "A White Paper on
Neural Network Quantization", section 3.1, "MSE". Where one rounding follows another, both are
chosen together:

* A tensor that only an elementwise operator reads is judged by the operator's result, which
  need not distinguish all values: hard-swish is 0 for all below -3. The result takes the same
  scale where that is better, as for leaky ReLU, which then does not round positive values again.
* A tensor that only a concatenation reads takes the scale of the concatenation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from ..graph import Array
from .groups import CLAMPS, is_elementwise, sole_readers
from .histograms import Histogram, histograms
from .measure import session
from .parts import part
from .scales import Scale, Scales

# Fractions of the negative and of the positive half of a range, the whole first.
FRACTIONS = (1, 0.98, 0.95, 0.92, 0.88, 0.84, 0.8, 0.75, 0.7, 0.65, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
# onnxruntime gives results of these operators the scale of their operand.
KEEPS_SCALE = frozenset(
    (
        *("AveragePool", "Flatten", "Gather", "GatherElements", "MaxPool", "Reshape", "Resize"),
        *("Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"),
    )
)


def least_error_scales(
    model: Any, feeds: Sequence[dict[str, Array]], given: Mapping[str, Scale]
) -> dict[str, Scale]:
    """A scale for each activation of the float `model` that is not in `given`."""
    search = _Search(model, given)
    for name, histogram in reversed(histograms(model, feeds).items()):
        search.choose(name, histogram)
    return search.found


class _Search:
    """Chooses scales from the last tensor to the first, so that readers' scales are known.

    found: the scales so far. own: histograms of tensors that were judged by their own values.
    """

    def __init__(self, model: Any, given: Mapping[str, Scale]) -> None:
        self.model = model
        self.found = dict(given)
        self.own: dict[str, Histogram] = {}
        self.makers = {name: node.op_type for node in model.graph.node for name in node.output}
        self.readers = sole_readers(model.graph)

    def choose(self, name: str, histogram: Histogram) -> None:
        """Find the scale of one tensor, unless another tensor's scale serves."""
        maker, reader = self.makers.get(name), self.readers.get(name)
        if name in self.found or maker in KEEPS_SCALE or (reader and reader.op_type in CLAMPS):
            return  # a clamp becomes part of the operator before it
        result = self.found.get(reader.output[0]) if reader else None
        if reader and result and reader.op_type == "Concat":
            self.found[name] = result
        elif reader and result and is_elementwise(reader) and maker:
            self._choose_both(name, reader, histogram)
        else:
            self._choose_one(name, histogram)

    def _choose_one(self, name: str, histogram: Histogram) -> None:
        """Choose the scale with which the tensor's own values change least."""
        tried = _candidates(histogram)
        errors = histogram.errors(tried.round(histogram.values))
        self.own[name], self.found[name] = histogram, tried[np.argmin(errors)]

    def _choose_both(self, name: str, reader: Any, histogram: Histogram) -> None:
        """Choose the scales of an elementwise operator's operand and result together.

        The result's scale may change only if the result's own values determined it.
        """
        result = reader.output[0]
        function = _function(self.model, reader)
        tried, expected = _candidates(histogram), function(histogram.values)
        computed = tried.mapped(function, histogram.values)
        behind = [Scales.of(self.found[result])]
        if result in self.own:
            behind.append(tried.starting_at(self.own[result].low))
        errors = [histogram.errors(scales.round(computed), expected) for scales in behind]
        choice, best = np.unravel_index(np.argmin(errors), (len(behind), len(errors[0])))
        self.found[name] = tried[best]
        self.found[result] = behind[choice][best]


def _candidates(histogram: Histogram) -> Scales:
    """Scales for all pairs of fractions of the range, the whole range first."""
    fractions = np.array(FRACTIONS)
    lows, highs = np.meshgrid(histogram.low * fractions, histogram.high * fractions)
    return Scales.between(lows.reshape(-1), highs.reshape(-1))


def _function(model: Any, node: Any) -> Callable[[Array], Array]:
    """The elementwise operator `node` of `model` as a function of arrays."""
    x, y = node.input[0], node.output[0]
    description = helper.make_tensor_value_info(x, TensorProto.FLOAT, ["n"])
    running = session(part(model, [node], [description]), [y])

    def function(values: Array) -> Array:
        (result,) = running.run([y], {x: values.astype(np.float32).reshape(-1)})
        return np.asarray(result, np.float64).reshape(values.shape)

    return function
