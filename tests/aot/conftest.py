"""Models compiled once for all tests of the generated C."""

from __future__ import annotations

from pathlib import Path

import pytest
from aot.edge_models import EDGE_MODELS
from aot.host_library import write_model
from aot.pool_models import networks
from aot.relax_models import bottleneck, network
from aot.test_edge_models import compile_quietly
from modelgen import random_tflite
from tools import require

import tvm_tiny
from tvm_tiny.frontend.tflite import from_tflite

# Integer models; "operators" are one random model of each TFLite operator.
INTEGER = ("network", "strange_names", "repeated_outputs", "argmax", "uint8_edges")


@pytest.fixture(params=["gcc", "clang"])
def compiler(request) -> str:
    return needs(request.param)


def needs(tool: str) -> str:
    """The tool's name; skips the test where it is missing."""
    require(tool)
    return tool


@pytest.fixture(scope="session")
def streamed_models() -> list[tvm_tiny.CompiledModel]:
    """A model of stages, one that takes its input by rows, one with a layer that runs backward."""
    return [
        compile_quietly(network(), name="staged", minimize=True),
        compile_quietly(network(), name="pushed", minimize=True, stream_input=True),
        compile_quietly(bottleneck(), name="backward"),
    ]


@pytest.fixture(scope="session")
def integer_models(streamed_models) -> list[tvm_tiny.CompiledModel]:
    """Networks and one model of each operator, int8 throughout; those of rows first."""
    named = [compile_quietly(EDGE_MODELS[name](), name=name) for name in INTEGER]
    operators = []
    for operator in random_tflite.OPERATORS:
        mod = from_tflite(random_tflite.single_op_model(operator, 1))
        operators.append(compile_quietly(mod, name=f"op_{operator.lower()}"))
    return streamed_models + named + operators


@pytest.fixture(scope="session")
def float_model() -> tvm_tiny.CompiledModel:
    return compile_quietly(EDGE_MODELS["float_operators"](), name="floating")


@pytest.fixture(scope="session")
def integer_folder(integer_models, tmp_path_factory) -> Path:
    """All their files in one folder: no two models' files have the same name."""
    folder = tmp_path_factory.mktemp("integer")
    for model in integer_models:
        write_model(model, folder)
    return folder


@pytest.fixture(scope="session")
def pooled_networks() -> dict[str, tvm_tiny.CompiledModel]:
    """One network in memory pools, in every mode."""
    return networks()
