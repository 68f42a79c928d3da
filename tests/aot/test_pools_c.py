"""Generated C whose tensors and weights lie in several memory pools computes the same."""

from __future__ import annotations

import numpy as np
import pytest
from aot.edge_models import EDGE_MODELS
from aot.host_library import build_library
from aot.pool_models import board, network
from aot.programs import run_program
from aot.test_edge_models import compile_quietly, random_inputs
from aot.test_patches import patched
from modelgen import random_onnx, random_tflite
from modelgen.image_graphs import ImageGraph

from tvm_tiny import CompiledModel, aot, transform
from tvm_tiny.checker import check_plan
from tvm_tiny.errors import DataError
from tvm_tiny.frontend.onnx import from_onnx
from tvm_tiny.frontend.tflite import from_tflite

SANITIZE = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
RANDOM = ((random_tflite, from_tflite), (random_onnx, from_onnx))


def test_pools_do_not_change_a_byte(pooled_networks, tmp_path):
    plain = compile_quietly(EDGE_MODELS["network"](), name="plain")
    library = build_library([plain, *pooled_networks.values()], tmp_path)
    inputs = random_inputs(EDGE_MODELS["network"]())
    expected = library["plain"].infer(inputs)
    for name, model in library.items():
        np.testing.assert_array_equal(model.infer(inputs), expected, err_msg=name)


def test_plans_over_pools_are_proved(pooled_networks):
    for model in pooled_networks.values():
        proof = check_plan(model.module, aot.driver_of(model.program))
        assert proof.used_bytes <= proof.arena_bytes <= model.workspace_bytes


def test_pools_are_used_as_far_as_they_go(pooled_networks):
    for name, model in pooled_networks.items():
        assert all(pool.bytes <= pool.size for pool in model.pools), name
        assert model.workspace_bytes == sum(pool.bytes for pool in model.pools)
    assert [pool.bytes > 0 for pool in pooled_networks["layers"].pools] == [True, True]
    assert [pool.bytes > 0 for pool in pooled_networks["unused"].pools] == [True, False, False]


def test_exact_pools_under_sanitizers(pooled_networks, tmp_path):
    run_program(list(pooled_networks.values()), tmp_path, flags=SANITIZE)


@pytest.mark.parametrize(("generator", "load"), RANDOM, ids=["tflite", "onnx"])
def test_random_models_in_pools_give_what_they_give_in_an_arena(generator, load, tmp_path):
    models = []
    for seed in range(4):
        mod = load(generator.random_model(seed))
        options = {"minimize": bool(seed % 2)}
        models.append(compile_quietly(mod, name=f"plain{seed}", **options))
        size = models[-1].workspace_bytes
        memory = board((size // 3 + seed, size + seed, 1 << 20), "psram" if seed % 3 else None)
        models.append(compile_quietly(mod, name=f"pools{seed}", pools=memory, **options))
    library = build_library(models, tmp_path)
    for plain, pooled in zip(models[::2], models[1::2], strict=True):
        rng = np.random.default_rng(0)
        ports = plain.program.interface.inputs
        inputs = [rng.integers(0, 100, port.shape).astype(port.dtype) for port in ports]
        actual, wanted = (library[m.program.name].run(inputs) for m in (pooled, plain))
        for mine, other in zip(actual, wanted, strict=True):
            np.testing.assert_array_equal(mine, other)


def test_hottest_tensors_are_in_the_first_pool():
    """The wide tensors of the first layers do not fit; of all others none is left out."""
    model = network("hot", (500, 10_000))
    places = [(call.outputs[0].pool, call.outputs[0].bytes) for call in model.program.calls]
    assert {size for pool, size in places if pool == 0} == {8, 4}


def test_pools_are_a_budget_for_the_search_of_stages():
    layers = network("layers", (10_000,))
    assert all(len(calls) == 1 for calls in layers.program.steps)
    streamed = network("streamed", (layers.workspace_bytes - 200,))
    assert any(len(calls) > 1 for calls in streamed.program.steps)
    with pytest.raises(DataError, match="leave out sram"):
        network("both", (10_000,), sram=4096)


def test_tiles_in_pools_compute_the_same_bytes(tmp_path):
    models = []
    for seed in range(3):
        plain = patched(ImageGraph(seed), f"plain{seed}")
        size = plain.workspace_bytes
        pools = board((size // 3 + seed, size + seed, 1 << 20), "psram" if seed % 2 else None)
        mod = transform.PlanMemory(plain.program.io_in_arena, pools)(plain.module)
        program = aot.read_program(mod, f"pools{seed}")
        check_plan(mod, aot.driver_of(program))
        models += [plain, CompiledModel(program, mod, plain.target)]
    library = build_library(models, tmp_path)
    for seed in range(3):
        image = [ImageGraph(seed).image(seed)]
        pair = (library[f"{kind}{seed}"].run(image) for kind in ("plain", "pools"))
        for mine, other in zip(*pair, strict=True):
            np.testing.assert_array_equal(mine, other)
