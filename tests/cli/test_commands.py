"""Every command on a tiny model: what it prints, its JSON, the files it writes."""

from __future__ import annotations

import json
import tarfile
from importlib.resources import files

import numpy as np
import onnx
import pytest
from jsonschema import Draft202012Validator
from modelgen import random_onnx
from tools import require_package

from tvm_tiny.reference import load_reference


def test_compile_writes_an_archive_and_a_summary(cli, model, tmp_path):
    path = tmp_path / "out.tar"
    result = cli("compile", model, "-o", path, "--sram", "16K", "--flash", "0x8000")
    assert result.code == 0
    assert f"wrote {path}" in result.out
    assert "arena" in result.out
    with tarfile.open(path) as archive:
        assert "./metadata.json" in archive.getnames()


def test_compile_json(cli, check, model, tmp_path):
    result = cli("compile", model, "-o", tmp_path / "m.tgz", "--name", "tiny", "--json")
    assert result.code == 0
    check("compile", result.json)
    assert result.json["model"]["name"] == "tiny"
    assert result.json["arena_bytes"] >= 6 * 6 * 2
    assert result.json["flash_bytes"] == (result.json["constant_bytes"] + result.json["code_bytes"])


def test_compile_to_a_folder_with_own_buffers(cli, model, tmp_path):
    inside = cli("compile", model, "-o", tmp_path / "m.tar", "--json").json
    result = cli(
        "compile", model, "-o", tmp_path / "m", "--output-format", "dir", "--no-io-in-arena",
        "--json",
    )  # fmt: skip
    assert (tmp_path / "m" / "codegen" / "host" / "include" / "tvmgen_default.h").is_file()
    assert result.json["arena_bytes"] < inside["arena_bytes"]
    assert result.json["io_in_arena"] is False


def test_compile_names_its_output_after_the_model(cli, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli("compile", model).code == 0
    assert (tmp_path / "tiny.tar").is_file()


def test_compile_is_reproducible(cli, model, archive, tmp_path):
    assert cli("compile", model, "-o", tmp_path / "again.tar").code == 0
    assert (tmp_path / "again.tar").read_bytes() == archive.read_bytes()


def test_compile_dumps_the_ir_of_every_pass(cli, model, tmp_path):
    folder = tmp_path / "ir"
    assert cli("compile", model, "-o", tmp_path / "m.tar", "--dump-ir", folder).code == 0
    names = [path.name for path in sorted(folder.iterdir())]
    assert names[0] == "00_import.py"
    assert any(name.endswith("_LowerQDQ.py") for name in names)
    assert any(name.endswith("_PlanMemory.py") for name in names)
    heads = [path.read_text().splitlines()[0] for path in sorted(folder.iterdir())[1:]]
    assert all(" ms" in head for head in heads)
    assert any(head.endswith("unchanged") for head in heads)


@pytest.fixture(scope="module")
def float_model(tmp_path_factory):
    """A float network, and samples of its input."""
    data = random_onnx.random_float_model(3)
    folder = tmp_path_factory.mktemp("float")
    (folder / "float.onnx").write_bytes(data)
    feeds = random_onnx.random_inputs(data, 0, 8)
    name = onnx.load_from_string(data).graph.input[0].name
    np.savez(folder / "samples.npz", **{name: np.stack([feed[name] for feed in feeds])})
    return folder


def test_compile_quantizes_a_float_model(cli, check, float_model, tmp_path):
    require_package("onnxruntime")
    samples = float_model / "samples.npz"
    out = tmp_path / "m.tar"
    result = cli("compile", float_model / "float.onnx", "--calibrate", samples, "-o", out, "--json")
    check("compile", result.json)
    assert result.json["inputs"][0]["model_dtype"] == "float32"
    assert cli("run", out, "--inputs", samples, "--outputs", tmp_path / "y.npz").code == 0
    outputs = np.load(tmp_path / "y.npz")
    (name,) = outputs.files
    assert outputs[name].dtype == np.float32


def test_what_calibration_costs_is_shown(cli, check, float_model, tmp_path):
    require_package("onnxruntime")
    samples = dict(np.load(float_model / "samples.npz"))
    np.savez(tmp_path / "labelled.npz", **samples, labels=np.zeros(8, np.int64))
    arguments = ["--calibrate", tmp_path / "labelled.npz", "--calibrate-method", "entropy"]
    result = cli("analyze", float_model / "float.onnx", *arguments, "--json")
    check("analyze", result.json)
    calibration = result.json["calibration"]
    assert (calibration["method"], calibration["samples"]) == ("entropy", 8)
    assert all(layer["sqnr_db"] is None or layer["sqnr_db"] > 5 for layer in calibration["layers"])
    assert set(calibration["accuracy"]) == {"in_float", "in_int8"}
    text = cli("compile", float_model / "float.onnx", *arguments, "-o", tmp_path / "m.tar").out
    assert "worst layers" in text
    assert "in int8" in text


def test_float_io_keeps_the_models_own_edges(cli, float_model, tmp_path):
    require_package("onnxruntime")
    arguments = ["--calibrate", float_model / "samples.npz", "-o", tmp_path / "m.tar"]
    result = cli("compile", float_model / "float.onnx", *arguments, "--float-io", "--json")
    assert result.json["inputs"][0]["dtype"] == "float32"
    assert result.json["inputs"][0]["permutation"] is None


def test_analyze_lists_operators_and_totals(cli, check, model):
    result = cli("analyze", model, "--json")
    document = result.json
    check("analyze", document)
    assert [op["op"] for op in document["operators"]] == ["qconv2d", "qdense"]
    assert document["totals"]["macs"] == 3 * 3 * 4 * 18 + 36 * 3
    assert document["totals"]["macs"] == sum(op["macs"] for op in document["operators"])
    assert document["totals"]["arena_lower_bound_bytes"] <= document["totals"]["arena_bytes"]
    text = cli("analyze", model).out
    assert "qconv2d" in text
    assert "stack" in text


def test_run_gives_the_references_outputs(cli, check, model, archive, tmp_path):
    reference = load_reference(model)
    random = np.random.default_rng(1)
    samples = random.integers(-128, 128, (3, 6, 6, 2), dtype=np.int8)
    np.savez(tmp_path / "x.npz", **{reference.inputs[0].name: samples})
    outputs = tmp_path / "y.npz"
    result = cli("run", archive, "--inputs", tmp_path / "x.npz", "--outputs", outputs, "--json")
    assert result.code == 0
    check("run", result.json)
    name = reference.outputs[0].name
    expected = np.concatenate([reference.run([x[None]])[name] for x in samples])
    assert np.array_equal(np.load(outputs)[name], expected)
    assert result.json["samples"] == {"count": 3, "source": "file", "seed": None}


@pytest.mark.parametrize("shape", [(6, 6, 2), (1, 6, 6, 2), (1, 1, 6, 6, 2)])
def test_run_takes_one_sample_in_any_form(cli, archive, tmp_path, shape):
    np.save(tmp_path / "x.npy", np.zeros(shape, np.int8))
    result = cli("run", archive, "--inputs", tmp_path / "x.npy", "--json")
    assert result.json["samples"]["count"] == 1


def test_run_says_that_inputs_are_random(cli, archive):
    result = cli("run", archive, "--count", 2, "--seed", 7)
    assert "2, random, seed 7" in result.out


def test_run_takes_a_folder_and_says_that_files_changed(cli, archive, tmp_path):
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    source = tmp_path / "codegen" / "host" / "src" / "tvmgen_default.c"
    source.write_text(source.read_text() + "\n/* mine */\n")
    result = cli("run", tmp_path)
    assert result.code == 0
    assert "tvmgen_default.c" in result.err


@pytest.mark.qemu
def test_run_on_an_emulated_board(cli, check, archive):
    result = cli("run", archive, "--board", "mps2_an386", "--count", 2, "--json")
    check("run", result.json)
    counts = result.json["instructions"]
    assert 0 < counts["min"] <= counts["max"] == max(counts["per_sample"])
    assert result.json["stack_bytes"] > 0
    assert any("compiled for host" in warning for warning in result.json["warnings"])


def test_verify_compares_every_tensor(cli, check, model):
    result = cli("verify", model, "--json")
    assert result.code == 0
    check("verify", result.json)
    assert result.json["equal"] is True
    assert result.json["compared_tensors"] == 2
    assert result.json["skipped_tensors"] == []
    assert cli("verify", model, "--count", 1).out.startswith("equal: 2 tensors of 1 samples")


def test_verify_an_onnx_model_layout_by_layout(cli, check, tmp_path):
    path = tmp_path / "conv.onnx"
    path.write_bytes(random_onnx.single_op_model("Conv", 5))
    result = cli("verify", path, "--json")
    assert result.code == 0, result
    check("verify", result.json)


@pytest.mark.qemu
def test_verify_on_an_emulated_board(cli, model):
    assert cli("verify", model, "--board", "mps2_an386", "--count", 1).code == 0


def test_supported_ops(cli, check):
    document = cli("supported-ops", "--json").json
    check("supported-ops", document)
    forms = {(op["format"], op["operator"]): op["form"] for op in document["operators"]}
    assert forms["tflite", "CONV_2D"] == forms["onnx", "QLinearConv"] == "integer"
    assert forms["tflite", "EXP"] == "integer"
    assert forms["tflite", "POW"] == "float"
    assert ("onnx", "ConvInteger") not in forms
    only = cli("supported-ops", "--format", "tflite", "--json").json
    assert {op["format"] for op in only["operators"]} == {"tflite"}


def _demo(cli, check, monkeypatch, folder, board):
    require_package("sklearn")
    require_package("onnxruntime")
    monkeypatch.setattr("tvm_tiny.demo.network.EPOCHS", 3)
    result = cli("demo", "--board", board, "-o", folder, "--json")
    assert result.code == 0, result
    check("demo", result.json)
    assert (folder / "digits" / "metadata.json").is_file()
    assert (folder / "digits.onnx").is_file()
    return result.json


def test_demo_on_the_host(cli, check, monkeypatch, tmp_path):
    document = _demo(cli, check, monkeypatch, tmp_path / "demo", "host")
    assert document["device_accuracy"] > 0.8
    assert abs(document["device_accuracy"] - document["float_accuracy"]) < 0.03


@pytest.mark.qemu
def test_demo_on_the_emulated_m4(cli, check, monkeypatch, tmp_path):
    document = _demo(cli, check, monkeypatch, tmp_path / "demo", "mps2_an386")
    assert document["instructions"] > document["macs"]


@pytest.mark.parametrize("command", ["compile", "analyze", "run", "verify", "demo"])
def test_help_of_every_command(cli, command):
    result = cli(command, "--help")
    assert result.code == 0
    assert "--json" in result.out


def test_version(cli):
    import tvm_tiny

    assert cli("--version").out == f"tvm-tiny {tvm_tiny.__version__}\n"


def test_schemas_are_schemas():
    found = sorted((files("tvm_tiny") / "schemas").iterdir(), key=lambda item: item.name)
    assert len(found) == 16
    for item in found:
        Draft202012Validator.check_schema(json.loads(item.read_text(encoding="utf-8")))
