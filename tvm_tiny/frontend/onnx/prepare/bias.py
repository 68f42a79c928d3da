"""Biases become int32 of scale s_x * s_w and zero point 0, like the accumulator.

Exporters write them as int32 (mostly), as float, or as 8-bit tensors of another scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tvm_tiny.reference.convolution import bias_steps

from ..graph import Array, Graph, Node, QParams, Refused


@dataclass(frozen=True, eq=False)
class _Site:
    """A bias: input `position` of `node`, for `channels` output channels.

    x_scale: s_x, a scalar. w_scale: s_w, a scalar or [O].
    """

    node: Node
    position: int
    x_scale: Array
    w_scale: Array
    channels: int


def quantize_biases(graph: Graph) -> None:
    """Rewrite the biases of Conv, ConvTranspose and Gemm, and of Add after MatMul."""
    for site in list(_sites(graph)):
        values, own = _bias_values(graph, site)
        if values is None:
            continue
        steps = bias_steps(values, own, float(site.x_scale), site.w_scale)
        scale = np.broadcast_to(site.x_scale * site.w_scale, (site.channels,)).astype(np.float32)
        _store(graph, site, np.broadcast_to(steps, (site.channels,)), scale)


def _sites(graph: Graph) -> Iterator[_Site]:
    producers = graph.producers()
    for node in graph.nodes:
        if node.op not in ("Conv", "ConvTranspose", "Gemm", "MatMul") or node.domain:
            continue
        x, w = producers.get(node.input(0)), producers.get(node.input(1))
        if x is None or w is None or {x.op, w.op} != {"DequantizeLinear"}:
            continue
        kernel = graph.constants.get(w.inputs[0])
        if kernel is None:
            continue
        channels = _channels(node, kernel)
        scales = (graph.qparams(x).scale, graph.qparams(w).scale)
        if node.op == "ConvTranspose" and scales[1].ndim:
            # The scales are those of one group's output channels; all groups share them.
            scales = scales[0], np.tile(scales[1], int(node.attrs.get("group", 1)))
        if scales[0].ndim or scales[1].size not in (1, channels):
            continue
        if node.op != "MatMul" and node.input(2) and _plain_gemm(node):
            yield _Site(node, 2, *scales, channels)
        elif node.op == "MatMul":
            add = graph.sole_consumer(node.outputs[0])
            if add is not None and add.op == "Add" and kernel.ndim == 2:
                position = 1 - add.inputs.index(node.outputs[0])
                yield _Site(add, position, *scales, channels)


def _plain_gemm(node: Node) -> bool:
    factors = (node.attrs.get("alpha", 1.0), node.attrs.get("beta", 1.0))
    return node.op != "Gemm" or factors == (1.0, 1.0)


def _channels(node: Node, kernel: Array) -> int:
    """The number O of output channels of a kernel as ONNX stores it."""
    if node.op == "ConvTranspose":
        return int(kernel.shape[1]) * int(node.attrs.get("group", 1))
    if node.op == "Conv" or (node.op == "Gemm" and node.attrs.get("transB", 0)):
        return int(kernel.shape[0])
    return int(kernel.shape[-1])


def _bias_values(graph: Graph, site: _Site) -> tuple[Array | None, Array | None]:
    """The values of a bias that has one element or [O], and their scale.

    The scale is None for real values. Returns (None, None) where the operand is no such bias.
    """
    name = site.node.inputs[site.position]
    values, own = graph.constants.get(name), None
    if values is None:
        source = graph.producers().get(name)
        if source is None or source.op != "DequantizeLinear":
            return None, None
        raw, params = graph.constants.get(source.inputs[0]), graph.qparams(source)
        if raw is None or (raw.dtype != np.int32 and site.node.op == "Add"):
            return None, None  # an 8-bit operand of Add is an operator of its own
        values, own = raw.astype(np.int64).reshape(-1) - params.zero_point.reshape(-1), params.scale
        values = values.reshape(raw.shape)
    if values.size not in (1, site.channels) or (values.ndim and values.shape[-1] != values.size):
        return None, None
    return values, own


def _store(graph: Graph, site: _Site, steps: Array, scale: Array) -> None:
    limits = np.iinfo(np.int32)
    if not np.isfinite(steps).all() or steps.max() > limits.max or steps.min() < limits.min:
        raise Refused(f"{site.node.where}: its bias does not fit int32 in steps of s_x * s_w")
    base = site.node.outputs[0]
    stored = graph.constant(f"{base}_bias", steps.astype(np.int32))
    params = QParams(scale, np.zeros(scale.shape, np.int32), 0)
    dequantize = graph.dequantize(stored, graph.fresh(f"{base}_bias_dequantized"), params)
    site.node.inputs[site.position] = dequantize.outputs[0]
    graph.replace({id(site.node): [dequantize, site.node]})
