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


def _resized(mode: str, *factors: float) -> Build:
    def build(net: Net) -> list[str]:
        x = net.dq(net.q(net.input()))
        scales = net.const([1, 1, *factors])
        y = net("Resize", x, "", scales, mode="linear", coordinate_transformation_mode=mode)
        return [net.dq(net.q(y))]

    return build


RESIZED: dict[str, Build] = {
    f"{mode}_{number}": _resized(mode, *factors)
    for mode in ("align_corners", "asymmetric", "half_pixel", "pytorch_half_pixel")
    for number, factors in enumerate(((3, 4), (9, 7), (0.5, 0.2), (1, 3)))
    if not (mode == "pytorch_half_pixel" and 0.2 in factors)  # one pixel is left: in float
}


def test_linear_resizes_are_onnxruntimes_within_a_step(tmp_path: Path) -> None:
    assert disagreements(models(RESIZED), tmp_path, steps=1) == []
