"""Biases become int32 of scale s_x * s_w and zero point 0, the form of the accumulator.

Exporters write them as int32 (the usual), as float, or as 8-bit tensors of their own scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tvm_tiny.frontend.onnx.graph import Array, Graph, Node, QParams, Refused

# Two float32 products of the same scales may differ by their rounding only.
SAME_SCALE = 1e-6


@dataclass(frozen=True, eq=False)
class _Site:
    """A bias: input `position` of `node`, and the scales s_x (scalar) and s_w (scalar or [O])."""

    node: Node
    position: int
    x_scale: Array
    w_scale: Array
    channels: int


def quantize_biases(graph: Graph) -> None:
    """Rewrite the bias of every Conv, ConvTranspose, Gemm, and of MatMul followed by Add."""
    for site in list(_sites(graph)):
        real, integers = _bias_values(graph, site)
        if real is None:
            continue
        scale = np.broadcast_to(site.x_scale * site.w_scale, (site.channels,)).astype(np.float32)
        if integers is None or not np.allclose(integers.scale, scale, rtol=SAME_SCALE, atol=0):
            steps = np.rint(real / scale.astype(np.float64))
        else:
            steps = np.rint(real / integers.scale.astype(np.float64))
        _store(graph, site, steps, scale)


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
            # All groups share the scales of the first one's output channels.
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
    """Output channels O of a kernel as ONNX stores it."""
    if node.op == "ConvTranspose":
        return int(kernel.shape[1]) * int(node.attrs.get("group", 1))
    if node.op == "Conv" or (node.op == "Gemm" and node.attrs.get("transB", 0)):
        return int(kernel.shape[0])
    return int(kernel.shape[-1])


def _bias_values(graph: Graph, site: _Site) -> tuple[Array | None, QParams | None]:
    """Real values [O] of the bias, and its parameters if it is int32 already."""
    name = site.node.inputs[site.position]
    raw, params = graph.constants.get(name), None
    if raw is not None:
        real = raw.astype(np.float64)
    else:
        source = graph.producers().get(name)
        if source is None or source.op != "DequantizeLinear":
            return None, None
        raw, own = graph.constants.get(source.inputs[0]), graph.qparams(source)
        if raw is None or (raw.dtype != np.int32 and site.node.op == "Add"):
            return None, None  # an 8-bit operand of Add is an operator of its own
        shape = [1] * raw.ndim
        if not own.per_tensor:
            shape[own.axis] = -1
        offset = raw.astype(np.float64) - own.zero_point.reshape(shape)
        real = offset * own.scale.reshape(shape).astype(np.float64)
        params = own if raw.dtype == np.int32 else None
    if real.size not in (1, site.channels) or (real.ndim and real.shape[-1] != real.size):
        return None, None
    return np.broadcast_to(real.reshape(-1), (site.channels,)), params


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
