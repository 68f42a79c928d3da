"""Graph preparation: rules that rewrite a `Graph` in place, in the order of `RULES`.

Afterwards the graph has no Constant, Identity or Dropout nodes; every int8 tensor is made by
QuantizeLinear (or is an input or constant) and read by DequantizeLinear only; uint8 occurs only at
inputs and outputs; biases are int32 of scale s_x * s_w; each data movement is an island of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from ..graph import Graph
from .activation import standard_activations
from .bias import quantize_biases
from .constants import inline_constants
from .folding import fold_constants, fold_dequantized
from .integers import wrap_integer_nodes
from .islands import isolate_movement
from .layer_norm import fuse_layer_norm
from .normalize import drop_dead, drop_identities, normalize_qdq
from .norms import fold_batch_norm
from .qlinear import expand_qlinear
from .signed import uint8_to_int8
from .softmax import flatten_softmax

RULES: tuple[Callable[[Graph], None], ...] = (
    inline_constants,
    drop_dead,
    drop_identities,
    fold_constants,
    standard_activations,
    expand_qlinear,
    normalize_qdq,
    fold_dequantized,
    wrap_integer_nodes,
    fold_batch_norm,
    fuse_layer_norm,
    flatten_softmax,
    drop_dead,
    isolate_movement,
    uint8_to_int8,
    quantize_biases,
    drop_dead,
)


def prepare(graph: Graph) -> None:
    """Apply all rules to `graph`.

    Raises:
        Refused: quantization that cannot be expressed (the message names operator and tensor).

    """
    for rule in RULES:
        rule(graph)
