"""What tables cost: a network with hard-swish beside the same with ReLU6."""

from __future__ import annotations

import numpy as np
from modelgen.hard_swish import mobilenet_v3
from tools import require

import tvm_tiny
from tvm_tiny import toolchain
from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.micro import build_firmware


def cost(hard_swish: bool, folder) -> tuple[int, int]:
    """Instructions of an inference on a Cortex-M4, and bytes of the arena."""
    compiled = tvm_tiny.build(from_tflite(mobilenet_v3(hard_swish=hard_swish)), "cortex-m4")
    folder.mkdir()
    compiled.save(folder / "mlf", folder=True)
    image = np.random.default_rng(0).integers(-128, 128, (1, 32, 32, 3)).astype("int8")
    result = build_firmware(folder / "mlf", "mps2_an386", folder).run([[image]], 300.0)
    return result.instructions[-1], compiled.workspace_bytes


def test_hard_swish_costs_at_most_a_third_of_the_instructions_and_no_memory(tmp_path):
    require(toolchain.ARM_GCC, toolchain.QEMU_ARM)
    instructions, arena = cost(True, tmp_path / "hard_swish")
    plain_instructions, plain_arena = cost(False, tmp_path / "relu6")
    assert instructions <= 1.3 * plain_instructions
    assert arena <= 1.15 * plain_arena
