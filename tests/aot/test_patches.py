"""Patch stages in C: random graphs and real models, planned, proved, compiled and run."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from aot.host_library import build_library
from aot.programs import run_program
from modelgen.image_graphs import ImageGraph, inverted_residuals

import tvm_tiny
from tvm_tiny import aot, transform
from tvm_tiny.build import CompiledModel
from tvm_tiny.checker import check_plan
from tvm_tiny.targets import find_target

SEEDS = range(12)
FLAGS = ("-O1", "-Wconversion")


def lowered(mod: tvm.IRModule, name: str, *, io_in_arena: bool = True) -> CompiledModel:
    """What `tvm_tiny.build` makes of a module of integer operators and stages."""
    for step in (
        transform.LowerToRowKernels(),
        transform.HoistScratch(),
        transform.PlanMemory(io_in_arena),
    ):
        mod = step(mod)
    return CompiledModel(aot.read_program(mod, name), mod, find_target("host"))


def patched(graph: ImageGraph, name: str) -> CompiledModel:
    first, last = graph.stage()
    stages = transform.PatchInference([(first, last)], graph.split_of(last))
    mod = stages(transform.FoldEdges(False)(graph.module))
    return lowered(mod, name, io_in_arena=graph.draw.chance(0.6))


def test_random_graphs_compute_the_same_bytes_in_c(tmp_path):
    graphs = {f"m{seed}": ImageGraph(seed) for seed in SEEDS}
    models = [patched(graph, name) for name, graph in graphs.items()]
    for model in models:
        check_plan(model.module, aot.driver_of(model.program))
    whole = [
        lowered(transform.FoldEdges(False)(graph.module), f"w{name}")
        for name, graph in graphs.items()
    ]
    library = build_library([*models, *whole], tmp_path, flags=FLAGS)
    for seed, (name, graph) in enumerate(graphs.items()):
        image = [graph.image(seed)]
        expected = library[f"w{name}"].run(image)
        for wanted, found in zip(expected, library[name].run(image), strict=True):
            np.testing.assert_array_equal(found, wanted, name)


def test_random_graphs_under_sanitizers(tmp_path):
    models = [patched(ImageGraph(seed), f"m{seed}") for seed in range(100, 105)]
    flags = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    run_program(models, tmp_path, flags=flags)


def test_stages_that_the_search_chooses_compute_the_same_bytes_in_c(tmp_path):
    mod = transform.FoldEdges(False)(inverted_residuals())
    chosen = lowered(transform.PatchInference(io_in_arena=False)(mod), "chosen", io_in_arena=False)
    check_plan(chosen.module, aot.driver_of(chosen.program))
    assert chosen.program.extra_macs > 0
    whole = lowered(mod, "whole")
    library = build_library([chosen, whole], tmp_path, flags=FLAGS)
    image = [np.random.default_rng(0).integers(-128, 128, (1, 32, 32, 3)).astype("int8")]
    np.testing.assert_array_equal(library["chosen"].run(image), library["whole"].run(image))


def integers(path) -> tvm.IRModule:
    """A model's main of integer operators."""
    mod = tvm_tiny.from_file(path)
    for step in (
        transform.ConvertLayout(),
        transform.FoldEdges(),
        transform.LowerQDQ(),
        transform.FuseOperators(),
        transform.MaterializeOutputs(),
    ):
        mod = step(mod)
    return mod


# The first blocks: up to the first stride behind the first residual sum.
@pytest.mark.parametrize(
    ("name", "last", "split"),
    [
        ("vww_96_int8.tflite", 4, (2, 3)),
        pytest.param("mcunet_vww1.tflite", 16, (1, 3), marks=pytest.mark.slow),
        pytest.param("pretrainedResnet_quant.tflite", 6, (2, 2), marks=pytest.mark.slow),
        pytest.param("mbv2-w0.35-qdq.onnx", 12, (1, 4), marks=pytest.mark.slow),
        pytest.param("proxyless-w0.3-qdq.onnx", 10, (3, 3), marks=pytest.mark.slow),
        pytest.param("mcunet-5fps-qdq.onnx", 10, (2, 4), marks=pytest.mark.slow),
    ],
)
def test_real_models_with_their_first_blocks_in_patches(
    name, last, split, model_path, golden, tmp_path
):
    mod = integers(model_path(name))
    model = lowered(transform.PatchInference([(0, last)], split)(mod), "patched")
    whole = lowered(mod, "whole")
    assert model.program.extra_macs > 0
    library = build_library([model, whole], tmp_path, flags=("-O2",))
    inputs, _ = golden(name.rpartition(".")[0])
    for image in inputs[:2]:
        expected, found = (library[k].infer([image[None]])[0] for k in ("whole", "patched"))
        np.testing.assert_array_equal(found, expected)
