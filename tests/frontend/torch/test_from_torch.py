"""PyTorch's front door: modules, exported programs and .pt2 files."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tvm
from tools import require_package

from tvm_tiny import Calibration, from_file, from_torch
from tvm_tiny.errors import DataError, ModelError, TvmTinyError, UnsupportedError

torch = require_package("torch", "needs PyTorch: pip install 'tvm-tiny[torch]'")
require_package("onnxscript", "needs onnxscript: pip install 'tvm-tiny[torch]'")


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Dropout(0.5)
    )


@pytest.fixture
def batch() -> torch.Tensor:
    return torch.randn(8, 2, 6, 6, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def program(batch: torch.Tensor) -> torch.export.ExportedProgram:
    return torch.export.export(network().eval(), (batch[:1],))


def text(module: tvm.IRModule) -> str:
    return module.script(show_meta=True)


def refusal(kind: type[TvmTinyError], call: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_module_program_and_file_are_one_model(
    tmp_path: Path, batch: torch.Tensor, program: torch.export.ExportedProgram
) -> None:
    torch.export.save(program, tmp_path / "m.pt2")
    np.savez(tmp_path / "x.npz", batch.numpy())
    module = text(from_torch(network(), batch))
    assert module == text(from_torch(program, batch))
    assert module == text(from_file(tmp_path / "m.pt2", Calibration(tmp_path / "x.npz")))


def test_samples_may_be_tensors_arrays_lists_and_dictionaries(batch: torch.Tensor) -> None:
    expected = text(from_torch(network(), batch))
    one_by_one = [sample.double().numpy() for sample in batch]
    for samples in (batch.numpy(), list(batch), one_by_one, {"input": batch}, (batch,)):
        assert text(from_torch(network(), samples)) == expected


def test_the_module_given_is_not_changed(batch: torch.Tensor) -> None:
    module = network().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    from_torch(module, batch)
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_several_inputs_go_by_name_or_in_order(batch: torch.Tensor) -> None:
    class Sum(torch.nn.Module):
        def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
            return torch.relu(left + 2 * right)

    expected = text(from_torch(Sum(), (batch, -batch)))
    assert text(from_torch(Sum(), {"left": batch, "right": -batch})) == expected


def test_what_does_not_fit_is_refused_in_one_line(
    batch: torch.Tensor, program: torch.export.ExportedProgram
) -> None:
    assert "give some" in refusal(DataError, lambda: from_torch(network()))
    assert "found dict" in refusal(DataError, lambda: from_torch({}, batch))
    ragged = [batch[0], batch[0, :, 1:]]
    assert "one shape" in refusal(DataError, lambda: from_torch(network(), ragged))
    assert "2 samples" in refusal(DataError, lambda: from_torch(program, (batch, batch)))
    assert "in float" in refusal(UnsupportedError, lambda: from_torch(program))

    class Branch(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.sum() > 0 else -x

    assert "could not export" in refusal(UnsupportedError, lambda: from_torch(Branch(), batch))


def test_pickled_modules_are_not_loaded(tmp_path: Path) -> None:
    for name in ("m.pt", "m.pth", "m.pt2"):
        torch.save(network(), tmp_path / name)
        message = refusal(ModelError, lambda name=name: from_file(tmp_path / name))
        assert "torch.export.save" in message
    (tmp_path / "m.pt2").write_bytes(b"text")
    assert "no program" in refusal(ModelError, lambda: from_file(tmp_path / "m.pt2"))


def test_an_open_batch_is_one(tmp_path: Path, batch: torch.Tensor) -> None:
    sizes = ({0: torch.export.Dim("n")},)
    program = torch.export.export(network().eval(), (batch,), dynamic_shapes=sizes)
    torch.export.save(program, tmp_path / "m.pt2")
    module = from_file(tmp_path / "m.pt2", Calibration({"input": batch.numpy()}))
    assert [int(d) for d in module["main"].params[0].ty.shape] == [1, 2, 6, 6]


def test_expressions_that_are_no_sizes_are_not_evaluated(
    tmp_path: Path, program: torch.export.ExportedProgram
) -> None:
    torch.export.save(program, tmp_path / "m.pt2")
    trap = {"as_expr": {"expr_str": f"open('{tmp_path / 'trapped'}', 'w')", "hint": None}}
    with (
        zipfile.ZipFile(tmp_path / "m.pt2") as source,
        zipfile.ZipFile(tmp_path / "bad.pt2", "w") as target,
    ):
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("models/model.json"):
                document = json.loads(content)
                values = document["graph_module"]["graph"]["tensor_values"]
                values["input"]["sizes"][0] = trap
                content = json.dumps(document).encode()
            target.writestr(name, content)
    assert "no size" in refusal(UnsupportedError, lambda: from_file(tmp_path / "bad.pt2"))
    assert not (tmp_path / "trapped").exists()


class Harmful:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("where", ["sample_inputs/model.pt", "weights/weight_0", "constants"])
def test_files_that_would_run_code_are_not_loaded(
    tmp_path: Path, program: torch.export.ExportedProgram, where: str
) -> None:
    torch.export.save(program, tmp_path / "m.pt2")
    trap = pickle.dumps(Harmful(tmp_path / "trapped"))
    with (
        zipfile.ZipFile(tmp_path / "m.pt2") as source,
        zipfile.ZipFile(tmp_path / "bad.pt2", "w") as target,
    ):
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("weights_config.json") and "weights" in where:
                config = json.loads(content)
                for entry in config["config"].values():
                    entry["use_pickle"] = True
                content = json.dumps(config).encode()
            target.writestr(name, trap if name.endswith(where) else content)
        if where == "constants":
            target.writestr("m/data/constants/opaque_obj_0", trap)
    assert "not loaded" in refusal(UnsupportedError, lambda: from_file(tmp_path / "bad.pt2"))
    assert not (tmp_path / "trapped").exists()
