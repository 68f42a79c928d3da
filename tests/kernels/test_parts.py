"""The parts of the micro-kernels' headers: each stands alone, and an archive has them all."""

from __future__ import annotations

import json
import subprocess

import pytest
from aot.edge_models import EDGE_MODELS
from aot.test_edge_models import compile_quietly
from kernels.dsp_run import RUNTIME, WARNINGS
from tools import require

from tvm_tiny.targets import find_target

INCLUDE = RUNTIME / "include"
ISAS = ("dsp", "mve", "plain")
COMPILERS = {
    "host": ("gcc", "-std=c99"),
    **{
        name: ("arm-none-eabi-gcc", "-std=c99", *find_target(name).flags)
        for name in ("cortex-m0", "cortex-m4", "cortex-m55")
    },
}


def parts_of(isa: str) -> list[str]:
    return sorted(
        path.relative_to(INCLUDE).as_posix() for path in (INCLUDE / "tvm_tiny" / isa).iterdir()
    )


@pytest.mark.parametrize("name", COMPILERS)
def test_every_part_compiles_without_the_others(name, tmp_path):
    command = COMPILERS[name]
    require(command[0])
    for part in (part for isa in ISAS for part in parts_of(isa)):
        source = tmp_path / (part.replace("/", "_") + ".c")
        source.write_text(f'#include "{part}"\n')
    sources = sorted(map(str, tmp_path.glob("*.c")))
    flags = (*WARNINGS, "-O2", "-fsyntax-only", f"-I{INCLUDE}")
    done = subprocess.run([*command, *flags, *sources], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]


@pytest.mark.parametrize(
    ("target", "isa"), [("cortex-m4", "dsp"), ("cortex-m55", "mve"), ("cortex-m0", "plain")]
)
def test_an_archive_has_and_hashes_every_part_that_its_model_uses(target, isa):
    model = compile_quietly(EDGE_MODELS["network"](), target=target)
    packed = {f"runtime/include/{part}" for part in (f"tvm_tiny/{isa}.h", *parts_of(isa))}
    assert packed <= set(model.files)
    (module,) = json.loads(model.files["metadata.json"])["modules"].values()
    assert packed <= set(module["tvm_tiny"]["sha256"])
    others = {f"runtime/include/tvm_tiny/{other}" for other in ISAS if other != isa}
    assert not [path for path in model.files if path.startswith(tuple(others))]
