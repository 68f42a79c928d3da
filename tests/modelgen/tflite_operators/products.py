"""Matrix products."""

from __future__ import annotations

from ..tflite_builder import Tensor
from .graph import LARGE, PRODUCT_LIMIT, Graph, rule
from .weights import draw_weights


@rule("FULLY_CONNECTED", (2, 3, 4))
def fully_connected(graph: Graph, x: Tensor) -> list[Tensor]:
    draw = graph.draw
    if draw.chance(0.15):
        return [_at_run_time(graph, x)]
    flatten = draw.chance(0.6) and x.size // x.shape[0] <= LARGE
    terms = x.size // x.shape[0] if flatten else x.shape[-1]
    keep = terms == x.shape[-1] and draw.chance(0.5)
    weights, scales, bias, out = draw_weights(
        graph, x, (draw.channels(), terms), 0, terms, per_tensor=0.75, narrow=0.1
    )
    return [
        graph.builder.fully_connected(
            x, weights, scales, bias, out, keep_num_dims=keep, activation=graph.activation()
        )
    ]


def _at_run_time(graph: Graph, x: Tensor) -> Tensor:
    """Weights are a model input or a tensor that fits; they may have a zero point."""
    draw, terms = graph.draw, x.shape[-1]
    ready = [t for t in graph.pool if t.rank == 2 and t.shape[1] == terms]
    shape = (draw.channels(), terms)
    weights = draw.choice(ready) if ready else graph.new_input(shape, draw.quant())
    if draw.chance(0.2):
        x = graph.constant_like(x.shape, x.quant)
    usual = draw.multiplier(terms)
    out = draw.quant_near(
        x.scales[0] * weights.scales[0] / usual,
        largest_multiplier=PRODUCT_LIMIT / (255 * 255 * (terms + 1) * usual),
    )
    bias = draw.integers((weights.shape[0],), -5000, 5000, "int32") if draw.chance(0.6) else None
    return graph.builder.fully_connected_at_run_time(
        x, weights, bias, out, activation=graph.activation()
    )


@rule("BATCH_MATMUL", (2, 3, 4))
def batch_matmul(graph: Graph, x: Tensor) -> list[Tensor]:
    """Times a constant, another input, or itself transposed; a constant may stand left."""
    draw = graph.draw
    if draw.chance(0.1):
        x = graph.constant_like(x.shape, x.quant)
    adj_x, adj_y = draw.chance(0.3), draw.chance(0.4)
    terms = x.shape[-2 if adj_x else -1]
    if draw.chance(0.3):
        other, adj_y = x, not adj_x
    else:
        batch = tuple(d if draw.chance(0.6) else 1 for d in x.shape[:-2])
        batch = batch[draw.integer(0, len(batch)) if draw.chance(0.2) else 0 :]
        columns = draw.integer(1, 9)
        shape = (*batch, columns, terms) if adj_y else (*batch, terms, columns)
        make = graph.constant_like if draw.chance(0.5) else graph.new_input
        other = make(shape, draw.quant())
    scale = x.scales[0] * other.scales[0]
    usual = draw.multiplier(terms)
    out = draw.quant_near(
        scale / usual, largest_multiplier=PRODUCT_LIMIT / (255 * 255 * terms * usual)
    )
    return [graph.builder.batch_matmul(x, other, out, adj_x=adj_x, adj_y=adj_y)]
