"""Models whose inner loops are micro-kernels: their portable forms here, instructions there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from aot.host_library import write_model
from aot.programs import run_program
from aot.relax_models import bottleneck, network
from aot.test_edge_models import compile_quietly
from tools import require

from tvm_tiny import toolchain
from tvm_tiny.micro.compiler import Unit, compile_units, model_includes, model_sources
from tvm_tiny.targets import find_target

SANITIZE = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
FORMS = {"layers": {}, "least": {"minimize": True}, "pushed": {"stream_input": True}}


@pytest.mark.parametrize("kernels", ["dsp", "mve", "plain"])
def test_models_under_sanitizers(kernels, tmp_path):
    models = [
        compile_quietly(build(), name=f"{build.__name__}_{form}", kernels=kernels, **options)
        for build in (network, bottleneck)
        for form, options in FORMS.items()
    ]
    run_program(models, tmp_path, flags=SANITIZE)


def instructions(target: str, folder: Path) -> set[str]:
    """Names of the instructions that the kernels of a model compile to."""
    require("arm-none-eabi-gcc", "arm-none-eabi-objdump")
    write_model(compile_quietly(network(), target=target), folder)
    flags = model_includes(folder)
    units = [Unit(s, flags) for s in model_sources(folder) if s.stem.endswith("_kernels")]
    (kernels,) = compile_units(find_target(target), units, folder)
    objdump = toolchain.find_tool("arm-none-eabi-objdump")
    command = [str(objdump), "-d", "-m", "armv8.1-m.main", str(kernels)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^ +[0-9a-f]+:\t[0-9a-f ]+\t([a-z0-9]+)", text, re.MULTILINE))


@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m7", "cortex-m33"])
def test_cores_with_dsp_instructions_multiply_two_at_a_time(target, tmp_path):
    assert {"smlad", "sxtb16", "ssat"} <= instructions(target, tmp_path)


def test_helium_multiplies_sixteen_at_a_time(tmp_path):
    found = instructions("cortex-m55", tmp_path)
    assert found & {"vmladav", "vmladava", "vmlav", "vmlava"}


@pytest.mark.parametrize("target", ["cortex-m0", "cortex-m3"])
def test_others_have_neither(target, tmp_path):
    assert not instructions(target, tmp_path) & {"smlad", "vmlava", "vmladava"}
