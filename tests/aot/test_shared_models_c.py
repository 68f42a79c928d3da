"""The C of real models: no warning with the documented flags, no signed overflow, a true bound."""

from __future__ import annotations

import itertools

import pytest
from aot.conftest import needs
from aot.host_library import include_flags, run_tool, sources
from test_golden import FILES, FORMS, compiled

import tvm_tiny
from tvm_tiny.micro import build_firmware, stack_bound

# What docs/c-interface.md promises, for the processors it names first.
STRICT = ("-O2", "-Wall", "-Wextra", "-Werror", "-pedantic")
TRIPLES = {"cortex-m4": "thumbv7em-none-eabi", "cortex-m55": "thumbv8.1m.main-none-eabi"}
# clang has no C library of its own for these: the headers are those of gcc's.
CLANG = ("-isystem", "/usr/include/newlib")
STACK_BOARDS = {
    "cortex-m3": "mps2_an385",
    "cortex-m4": "mps2_an386",
    "cortex-m55": "mps3_an547",
}
QUICK = ("ad01_int8", "kws_ref_model")
# Bytes by which the promise may exceed what was used.
MOST_ABOVE = 256


def _models(*others: tuple[str, ...]) -> list[object]:
    """Every shared model with every combination of the rest; most of them nightly."""
    cases = []
    for stem, *rest in itertools.product(FILES, *others):
        slow = stem not in QUICK or "cortex-m3" in rest or "least" in rest
        marks = (pytest.mark.slow,) if slow else ()
        cases.append(pytest.param(stem, *rest, marks=marks, id="-".join([stem, *rest])))
    return cases


@pytest.mark.models
@pytest.mark.parametrize(
    ("stem", "target", "compiler"), _models(tuple(TRIPLES), ("arm-none-eabi-gcc", "clang"))
)
def test_no_warning_with_the_documented_flags(stem, target, compiler, model_path, tmp_path):
    command = [needs(compiler), f"-mcpu={target}", "-mthumb"]
    if compiler == "clang":
        command += [f"--target={TRIPLES[target]}", *CLANG]
    compiled(model_path(FILES[stem]), target, "layers").save(tmp_path / "model", folder=True)
    flags = [*command, *STRICT, *include_flags(tmp_path / "model")]
    for abi in ((), ("-mfloat-abi=hard",)):
        for source in sources(tmp_path / "model"):
            run_tool([*flags, *abi, "-c", source, "-o", tmp_path / "object.o"])


@pytest.mark.models
@pytest.mark.parametrize(("stem", "kernels"), _models(("plain", "dsp", "mve", "portable")))
def test_no_signed_overflow(stem, kernels, model_path, golden, tmp_path):
    """Each kind of kernels in plain C; an overflow would end the program."""
    model = tvm_tiny.build(tvm_tiny.from_file(model_path(FILES[stem])), kernels=kernels)
    model.save(tmp_path / "model", folder=True)
    (source,) = model.program.interface.inputs
    feeds = [[source.to_device(sample[None])] for sample in golden(stem)[0][:2]]
    firmware = build_firmware(tmp_path / "model", "host", tmp_path, extra_cflags=["-ftrapv"])
    assert len(firmware.run(feeds).outputs) == 2


@pytest.mark.models
@pytest.mark.qemu
@pytest.mark.parametrize(("stem", "target", "form"), _models(tuple(STACK_BOARDS), tuple(FORMS)[:2]))
def test_promised_stack_is_what_is_used(stem, target, form, model_path, golden, tmp_path):
    model = compiled(model_path(FILES[stem]), target, form)
    model.save(tmp_path / "model", folder=True)
    (source,) = model.program.interface.inputs
    feeds = [[source.to_device(golden(stem)[0][:1])]]
    firmware = build_firmware(tmp_path / "model", STACK_BOARDS[target], tmp_path)
    painted = firmware.run(feeds, timeout_s=600).stack_bytes
    assert painted <= stack_bound(tmp_path / "model", target).bytes <= painted + MOST_ABOVE
