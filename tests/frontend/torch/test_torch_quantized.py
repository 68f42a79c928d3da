"""PyTorch networks that are quantized already, by QAT or PT2E, keep their own scales."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from tools import require_package

torch = require_package("torch", "needs PyTorch: pip install 'tvm-tiny[torch]'")
require_package("onnxscript", "needs onnxscript: pip install 'tvm-tiny[torch]'")

import torch.ao.quantization as quantization  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.ao.quantization.quantize_fx import prepare_qat_fx  # noqa: E402
from torch_runs import on_host  # noqa: E402

from tvm_tiny import from_torch  # noqa: E402
from tvm_tiny.passes.lower_qdq import FloatFallbackWarning  # noqa: E402

SCALE = 0.02
require_package("torch.ao.quantization.fx._decomposed")  # registers the operators
decomposed = torch.ops.quantized_decomposed


@pytest.fixture
def batch() -> Tensor:
    return torch.randn(16, 2, 8, 8, generator=torch.Generator().manual_seed(1))


def difference(module: nn.Module, batch: Tensor) -> float:
    """The largest error of the compiled model against PyTorch; all of it must be in integers."""
    with torch.no_grad():
        expected = module.eval()(batch).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("error", FloatFallbackWarning)
        found = on_host(from_torch(module, batch), batch.numpy())
    return float(np.abs(found - expected).max())


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.quant, self.dequant = quantization.QuantStub(), quantization.DeQuantStub()
        self.conv, self.norm, self.relu = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
        self.linear = nn.Linear(144, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.conv(self.quant(x))))
        return self.dequant(self.linear(torch.flatten(x, 1)))


def trained(prepared: nn.Module, batch: Tensor) -> nn.Module:
    for _ in range(5):
        prepared(batch)
    return prepared.apply(quantization.disable_observer)


@pytest.mark.parametrize("backend", ["qnnpack", "x86"])
def test_eager_qat_keeps_its_scales(batch: Tensor, backend: str) -> None:
    torch.manual_seed(0)
    module = Layers().train()
    module.qconfig = quantization.get_default_qat_qconfig(backend)
    fused = quantization.fuse_modules_qat(module, [["conv", "norm", "relu"]])
    prepared = trained(quantization.prepare_qat(fused), batch)
    step = float(prepared.linear.activation_post_process.scale)
    assert difference(prepared, batch) < 1.01 * step


def test_graph_mode_qat_keeps_its_scales(batch: Tensor) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)
    )
    settings = quantization.get_default_qat_qconfig_mapping("x86")
    prepared = trained(prepare_qat_fx(module.train(), settings, (batch,)), batch)
    assert difference(prepared, batch) < 0.05


class FakeQuantized(nn.Module):
    """Fake quantization by PyTorch's operators, weights from -127 to 127."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(4, 2, 3, 3)), nn.Parameter(torch.randn(4))
        self.register_buffer("scale", self.weight.detach().abs().amax((1, 2, 3)) / 140)
        self.register_buffer("zero_point", torch.zeros(4, dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.fake_quantize_per_tensor_affine(x, 0.03, 5, -128, 127)
        w = torch.fake_quantize_per_channel_affine(
            self.weight, self.scale, self.zero_point, 0, -127, 127
        )
        y = torch.relu(nn.functional.conv2d(x, w, self.bias))
        return torch.fake_quantize_per_tensor_affine(y, SCALE, 0, 0, 127)


def test_fake_quantization_by_operators_keeps_its_scales(batch: Tensor) -> None:
    torch.manual_seed(0)
    assert difference(FakeQuantized(), batch) < 1.01 * SCALE


def test_a_quantized_program_needs_no_samples(batch: Tensor) -> None:
    module = FakeQuantized().eval()
    program = torch.export.export(module, (batch[:1],))
    found = on_host(from_torch(program), batch.numpy())
    with torch.no_grad():
        assert np.abs(found - module(batch).numpy()).max() < 1.01 * SCALE


class PT2E(nn.Module):
    """What PT2E leaves: integer weights and quantize, dequantize as operators of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.randint(-127, 128, (4, 2, 3, 3), dtype=torch.int8))
        self.register_buffer("scale", torch.rand(4) * 0.01 + 0.001)
        self.register_buffer("zero_point", torch.zeros(4, dtype=torch.int64))
        self.bias = nn.Parameter(torch.randn(4))

    def forward(self, x: Tensor) -> Tensor:
        at = 0.03, 5, -128, 127, torch.int8
        x = decomposed.dequantize_per_tensor(decomposed.quantize_per_tensor(x, *at), *at)
        w = decomposed.dequantize_per_channel(
            self.weight, self.scale, self.zero_point, 0, -127, 127, torch.int8
        )
        y = torch.relu(nn.functional.conv2d(x, w, self.bias))
        at = SCALE, -128, -128, 127, torch.int8
        return decomposed.dequantize_per_tensor(decomposed.quantize_per_tensor(y, *at), *at)


def test_pt2e_keeps_its_scales(batch: Tensor) -> None:
    torch.manual_seed(0)
    assert difference(PT2E(), batch) < 1.01 * SCALE
