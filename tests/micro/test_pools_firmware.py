"""A model in several memory pools on every board."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from aot.edge_models import EDGE_MODELS
from aot.host_library import build_library
from aot.pool_models import CASES, network
from aot.test_edge_models import random_inputs

from tvm_tiny import CompiledModel
from tvm_tiny.micro import build_firmware
from tvm_tiny.micro.boards import BOARDS


def on_host(model: CompiledModel, folder: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Inputs, and what they give."""
    inputs = random_inputs(EDGE_MODELS["network"]())
    ports = model.program.interface.inputs
    device = [port.to_device(x) for port, x in zip(ports, inputs, strict=True)]
    return device, build_library([model], folder)[model.program.name].run(device)


@pytest.mark.parametrize("case", ["layers_copied", "pushed_copied", "caller_copied"])
def test_boards_give_what_the_host_gives(case, board, tmp_path):
    sizes, _, options = CASES[case]
    # The smallest board has 16 KiB.
    model = network(case, (*sizes[:2], 5003), "psram", **options)
    inputs, expected = on_host(model, tmp_path / "host")
    model.save(tmp_path / "model", folder=True)
    firmware = build_firmware(tmp_path / "model", board, tmp_path)
    result = firmware.run([inputs, inputs])
    for outputs in result.outputs:
        np.testing.assert_array_equal(outputs[0], expected[0])
    assert result.arena_bytes == sum(pool.bytes for pool in model.pools)
    if BOARDS[board].machine is not None:
        assert result.ram_bytes >= result.arena_bytes
