"""Fifteen PyTorch networks, each exported in three ways, against themselves in float.

None may have an operator in float. The largest outputs must agree in 95 % of the samples (pixels,
where each has an output). The RMS error may be at most 2 % of the RMS of the output and 0.8 % of
its range. The autoencoder may have 3 % of the RMS: its int8 activations alone cost it 2.6 %.
"""

from __future__ import annotations

import functools
import warnings
from pathlib import Path

import numpy as np
import pytest
import tvm
from tools import require_package

from tvm_tiny import Calibration, from_file, from_torch
from tvm_tiny.frontend.quiet import quiet
from tvm_tiny.passes.lower_qdq import FloatFallbackWarning

torch = require_package("torch", "needs PyTorch: pip install 'tvm-tiny[torch]'")
require_package("onnxscript", "needs onnxscript: pip install 'tvm-tiny[torch]'")

from torch_networks import NETWORKS  # noqa: E402
from torch_runs import compiled_for, on_board  # noqa: E402
from torch_training import build  # noqa: E402

EXPORTS = ("dynamo", "torchscript", "pt2")
CALIBRATION_SAMPLES, AGREEMENT = 40, 0.95
RMS_ERROR, RANGE_ERROR = 0.02, 0.008
RMS_ERROR_OF = {"autoencoder": 0.03}
M4 = "mps2_an386"
# Each network by one of the exports: every export in a third of them.
ONE_EACH = [(name, EXPORTS[i % 3]) for i, name in enumerate(NETWORKS)]
SOME_ON_M4 = [("mobilenet_v3", "pt2"), ("transformer_encoder", "dynamo"), ("tcn", "torchscript")]
trained = functools.cache(build)


def imported(name: str, export: str, folder: Path) -> tvm.IRModule:
    """The network as the frontends read what PyTorch's exporter wrote."""
    module, inputs, _ = trained(name)
    samples, example = inputs[:CALIBRATION_SAMPLES], torch.from_numpy(inputs[:1])
    if export == "pt2":
        return from_torch(module, samples)
    np.savez(folder / "samples.npz", samples)
    with quiet():
        torch.onnx.export(module, (example,), folder / "m.onnx", dynamo=export == "dynamo")
    return from_file(folder / "m.onnx", Calibration(folder / "samples.npz"))


def check(name: str, export: str, board: str, folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", FloatFallbackWarning)
        compiled = compiled_for(imported(name, export, folder), board)
    _, inputs, expected = trained(name)
    found = on_board(compiled, board, inputs).reshape(expected.shape)
    error = np.sqrt(np.mean(np.square(found - expected)))
    assert error <= RANGE_ERROR * np.ptp(expected)
    assert error <= RMS_ERROR_OF.get(name, RMS_ERROR) * np.sqrt(np.mean(np.square(expected)))
    axis = 1 if expected.ndim == 4 else -1
    agree = found.argmax(axis) == expected.argmax(axis)
    assert agree.mean() >= AGREEMENT


@pytest.mark.parametrize(("name", "export"), ONE_EACH)
def test_int8_equals_float_on_the_host(name: str, export: str, tmp_path: Path) -> None:
    check(name, export, "host", tmp_path)


@pytest.mark.qemu
@pytest.mark.parametrize(("name", "export"), SOME_ON_M4)
def test_int8_equals_float_on_cortex_m4(name: str, export: str, tmp_path: Path) -> None:
    check(name, export, M4, tmp_path)


@pytest.mark.slow
@pytest.mark.qemu
@pytest.mark.parametrize("export", EXPORTS)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_export_of_every_network_on_cortex_m4(name: str, export: str, tmp_path: Path) -> None:
    check(name, export, M4, tmp_path)
