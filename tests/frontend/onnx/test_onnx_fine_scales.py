"""Results are rounded once, from the real value to the output's own scale, however fine that is."""

from __future__ import annotations

from pathlib import Path

import pytest
from agreement import Build, Net, disagreements, models

# A softmax's own scale in TFLite is 1/256, a tanh's 1/128; an operator that went by way of these
# would be several steps off here.
FINE, ZERO = 0.0007, -57


def _fine(op: str, **attributes: float) -> Build:
    """One operator whose result has a fine scale."""

    def build(net: Net) -> list[str]:
        x = net.dq(net.q(net.input()))
        return [net.dq(net.q(net(op, x, **attributes), FINE, ZERO), FINE, ZERO)]

    return build


KINDS: dict[str, Build] = {
    **{op: _fine(op) for op in ("Elu", "Erf", "HardSigmoid", "HardSwish", "Sigmoid", "Tanh")},
    "LeakyRelu": _fine("LeakyRelu", alpha=0.3),
    "softmax_channels": _fine("Softmax", axis=1),
    "softmax_last": _fine("Softmax", axis=-1),
}


@pytest.mark.parametrize("fold_edges", [True, False])
def test_fine_results_are_onnxruntimes(tmp_path: Path, fold_edges: bool) -> None:
    assert disagreements(models(KINDS), tmp_path, fold_edges=fold_edges) == []
