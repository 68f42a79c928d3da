"""Model Library Format: layout, metadata, reproducibility, and writing whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from aot.edge_models import EDGE_MODELS
from aot.host_library import build_library
from aot.test_edge_models import compile_quietly, random_inputs

from tvm_tiny.errors import DataError

TESTS = Path(__file__).resolve().parents[1]
BUILD = """
import hashlib, sys
from aot.edge_models import EDGE_MODELS
from aot.test_edge_models import compile_quietly
for name in ("network", "float_operators", "strange_names"):
    compile_quietly(EDGE_MODELS[name](), name=name).save(f"{sys.argv[1]}/{name}.tar.gz")
"""


@pytest.fixture(scope="module")
def network():
    return compile_quietly(EDGE_MODELS["network"](), name="net")


def metadata(model) -> dict:
    return json.loads(model.files["metadata.json"])


def test_layout(network):
    assert sorted(network.files) == [
        "CMakeLists.txt",
        "codegen/host/include/tvmgen_net.h",
        "codegen/host/src/tvmgen_net.c",
        "codegen/host/src/tvmgen_net_kernels.c",
        "codegen/host/src/tvmgen_net_kernels.h",
        "codegen/host/src/tvmgen_net_weights.c",
        "metadata.json",
        "parameters/default.params.npz",
        "runtime/include/tvm_tiny/errors.h",
        "runtime/include/tvm_tiny/options.h",
        "runtime/include/tvm_tiny/plain.h",
        "runtime/include/tvm_tiny/plain/add.h",
        "runtime/include/tvm_tiny/plain/common.h",
        "runtime/include/tvm_tiny/plain/depthwise.h",
        "runtime/include/tvm_tiny/plain/gather.h",
        "runtime/include/tvm_tiny/plain/products.h",
        "runtime/include/tvm_tiny/plain/requantize.h",
        "runtime/include/tvm_tiny/version.h",
        "src/relax.txt",
    ]


def test_metadata_of_version_7(network):
    found = metadata(network)
    assert (found["version"], found["model_name"]) == (7, "net")
    module = found["modules"]["net"]
    assert module["executors"] == ["aot"]
    assert module["style"] == "full-model"
    (memory,) = module["memory"]["functions"]["main"]
    assert memory["workspace_size_bytes"] == network.workspace_bytes
    assert memory["constants_size_bytes"] == network.constant_bytes
    assert memory["inputs"] == {"image": {"dtype": "int8", "size": 192}}
    assert memory["outputs"] == {"probabilities": {"dtype": "int8", "size": 4}}


def test_metadata_describes_inputs_outputs_and_steps(network):
    own = metadata(network)["modules"]["net"]["tvm_tiny"]
    (image,) = own["inputs"]
    assert image["c_name"] == image["name"] == "image"
    assert (image["shape"], image["dtype"], image["bytes"]) == ([1, 8, 8, 3], "int8", 192)
    assert (image["model_shape"], image["model_dtype"]) == ([1, 8, 8, 3], "float32")
    assert image["scale"] == pytest.approx(0.05)
    assert (image["zero_point"], image["layout_permutation"]) == (0, None)
    assert image["offset"] % 8 == 0
    assert [step["index"] for step in own["steps"]] == list(range(len(own["steps"])))
    stem = own["steps"][0]
    assert (stem["name"], stem["shape"], stem["dtype"]) == ("stem", [1, 8, 8, 8], "int8")
    assert (stem["bytes"], stem["macs"]) == (512, 8 * 8 * 8 * 27)
    assert all(step["offset"] + step["bytes"] <= own["workspace_bytes"] for step in own["steps"])
    assert own["macs"] == sum(step["macs"] for step in own["steps"])


def test_hashes_are_those_of_the_files(network):
    hashes = metadata(network)["modules"]["net"]["tvm_tiny"]["sha256"]
    assert set(hashes) == set(network.files) - {"metadata.json"}
    for path, digest in hashes.items():
        assert hashlib.sha256(network.files[path]).hexdigest() == digest


def test_header_and_metadata_agree(network):
    header = network.files["codegen/host/include/tvmgen_net.h"].decode()
    size = metadata(network)["modules"]["net"]["tvm_tiny"]["workspace_bytes"]
    assert f"#define TVMGEN_NET_WORKSPACE_SIZE {size}\n" in header
    assert "#define TVMGEN_NET_INPUT_0_SHAPE {1, 8, 8, 3}\n" in header
    assert "#define TVMGEN_NET_INPUT_0_SCALE 0.0500000007f\n" in header
    assert "#define TVMGEN_NET_OUTPUT_0_ZERO_POINT (-128)\n" in header


def test_parameters_are_the_constants(network):
    with np.load(io.BytesIO(network.files["parameters/default.params.npz"])) as archive:
        assert sum(archive[name].nbytes for name in archive.files) == network.constant_bytes
    infos = zipfile.ZipFile(io.BytesIO(network.files["parameters/default.params.npz"])).infolist()
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}


def test_archives_are_the_same_in_every_process(tmp_path):
    made = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        path = os.pathsep.join([str(TESTS), *sys.path])
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        subprocess.run([sys.executable, "-c", BUILD, str(folder)], env=environment, check=True)
        made.append({p.name: p.read_bytes() for p in folder.iterdir()})
    assert made[0] == made[1]


def test_tar_gz_and_folder_hold_the_same(network, tmp_path):
    network.save(tmp_path / "net.tar")
    network.save(tmp_path / "net.tar.gz")
    network.save(tmp_path / "folder", folder=True)
    tar = (tmp_path / "net.tar").read_bytes()
    assert gzip.decompress((tmp_path / "net.tar.gz").read_bytes()) == tar
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        members = archive.getmembers()
        assert {(m.mtime, m.uid, m.gid, m.uname, m.mode) for m in members} == {(0, 0, 0, "", 0o644)}
        for member in members:
            stream = archive.extractfile(member)
            assert stream is not None
            assert stream.read() == (tmp_path / "folder" / member.name).read_bytes()
    assert {m.name.removeprefix("./") for m in members} == set(network.files)


def test_nothing_partial_is_left(network, tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        network.save(tmp_path / "missing" / "net.tar")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("kept")
    with pytest.raises(DataError, match="not empty"):
        network.save(tmp_path / "full", folder=True)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["full", "mine"]


@pytest.mark.parametrize("name", ["", "1st", "a-b", "a b", "ä", "a;", "a\n"])
def test_bad_model_names_are_refused(name):
    with pytest.raises(DataError, match="is not a C identifier"):
        compile_quietly(EDGE_MODELS["two_inputs"](), name=name)


@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    [
        ("strange_names", ["a_b__", "_9x____"], ["____q_________"]),
        ("keywords", ["int_", "class_"], ["register_"]),
        ("same_names", ["dup", "dup_1"], ["a"]),
        ("names_alike", ["a_b", "a_b_1"], ["a_b"]),
    ],
)
def test_c_names(name, inputs, outputs):
    own = metadata(compile_quietly(EDGE_MODELS[name](), name="x"))["modules"]["x"]["tvm_tiny"]
    assert [port["c_name"] for port in own["inputs"]] == inputs
    assert [port["c_name"] for port in own["outputs"]] == outputs


def test_models_of_one_name_prefix_live_together(tmp_path):
    mod = EDGE_MODELS["network"]()
    models = [compile_quietly(mod, name=name) for name in ("a", "a_run", "ab", "A1")]
    library = build_library(models, tmp_path)
    inputs = random_inputs(mod)
    results = [library[m.program.name].infer(inputs)[0] for m in models]
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
