"""The parts of a profile: kinds of instructions, estimates of cycles, the plugin's build."""

from __future__ import annotations

import subprocess
from fractions import Fraction

import pytest
from fake_model import RUNTIME_C
from tools import require

from tvm_tiny import toolchain
from tvm_tiny.errors import BoardError
from tvm_tiny.micro.profiling.code import RISCV_KINDS, Code, Instruction, kind_of
from tvm_tiny.micro.profiling.counted import Attribution
from tvm_tiny.micro.profiling.cycles import ESTIMATES, whole_cycles
from tvm_tiny.micro.profiling.layers import Driver, Step
from tvm_tiny.micro.profiling.plugin import Counts, PluginMissingError, build_plugin
from tvm_tiny.micro.profiling.timer import sum_records

WARNINGS = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wshadow"]
ARM = {
    "loads": "ldr ldrsb.w ldrbne ldrd ldmia.w pop vldr vldrb.u8 ldrex",
    "stores": "str strb.w strhlt strd stmdb push vstr vpush vst20.8",
    "multiplies": "mul muls mla mlsls smull smlal smulbb smlad smmulr smuad umull umaal "
    "vmul.f32 vfma.f32 vmla.i32 vmladav.s8 vrmlaldavh.s32 vqrdmulh.s32 vnmul.f64",
    "branches": "b b.n bne.n bls.w bl blx bx bxne bxns cbz cbnz tbb tbh le wls wlstp.8",
    "other": "mov movs add.w sub bic bfi bkpt it sel uadd8 sxtb sdiv lsls pld nop vmov vmax.s8 "
    "vadd.i32 dls rsb sbc svc",
}
RISCV = {
    "loads": "lw lb lbu lhu c.lwsp flw lr.w",
    "stores": "sw sb sh c.swsp fsw sc.w",
    "multiplies": "mul mulh mulhu mulhsu fmul.s fmadd.s",
    "branches": "beq bnez bltu bgez j jal jalr jr ret c.j",
    "other": "li lui addi sub slli sltiu srai div rem mv auipc ebreak fsub.s",
}


@pytest.mark.parametrize(("kind", "names"), ARM.items(), ids=list(ARM))
def test_kinds_of_arm_instructions(kind, names):
    assert {name: kind_of(name) for name in names.split()} == dict.fromkeys(names.split(), kind)


@pytest.mark.parametrize(("kind", "names"), RISCV.items(), ids=list(RISCV))
def test_kinds_of_riscv_instructions(kind, names):
    found = {name: kind_of(name, RISCV_KINDS) for name in names.split()}
    assert found == dict.fromkeys(names.split(), kind)


def block(*lines: str) -> list[Instruction]:
    instructions = []
    for address, line in enumerate(lines):
        name, _, operands = line.partition(" ")
        kind = kind_of(name)
        words = operands.count(",") + 1 if "{" in operands else 2 if name == "ldrd" else 1
        words = words if kind in ("loads", "stores") else 0
        instructions.append(Instruction(address, name, operands, kind, words))
    return instructions


@pytest.mark.parametrize(
    ("lines", "m4", "m7"),
    [
        (["adds r0, #1", "adds r1, #1"], 2, 1),
        (["ldr r0, [r1]"], 2, 1),
        (["ldr r0, [r1]", "ldr r2, [r3]", "mla r0, r0, r2, r4"], 2 + 1 + 1, 2),
        (["str r0, [r1, #4]"], 1, 1),
        (["str r0, [r1, r2]"], 2, 1),
        (["push {r4, r5, lr}"], 1 + 3, 2),
        (["ldrd r0, r1, [r2]"], 1 + 2, 1),
        (["sdiv r0, r0, r1"], 7, 4),
        (["vdiv.f32 s0, s0, s1"], 14, 5),
        (["vfma.f32 s0, s0, s1"], 3, 1),
        (["mul r0, r1, r2", "mul r3, r4, r5"], 2, 2),
    ],
    ids=str,
)
def test_cycles_of_a_block(lines, m4, m7):
    for core, cycles in (("cortex-m4", m4), ("cortex-m7", m7)):
        assert whole_cycles(ESTIMATES[core](block(*lines), 1, 0)) == cycles
        assert whole_cycles(ESTIMATES[core](block(*lines), 10, 0)) <= 10 * cycles


def test_jumps_refill_the_pipeline_of_the_m4():
    loop = block("subs r0, #1", "bne.n 0")
    assert whole_cycles(ESTIMATES["cortex-m4"](loop, 10, 9)) == 2 * 10 + 2 * 9
    assert whole_cycles(ESTIMATES["cortex-m7"](loop, 10, 9)) == 10


def test_code_between_functions_is_of_the_one_before():
    nops = tuple(Instruction(address, "nop", "", "other") for address in range(0, 40, 2))
    code = Code(nops, ((0, "a"), (10, "also_b"), (10, "b"), (30, "a")))
    assert [i.address for i in code.between(4, 8)] == [4, 6, 8]
    assert [code.function_of(address) for address in (0, 8, 10, 28, 38)] == [
        *("a", "a", "also_b", "also_b", "a")
    ]
    assert code.range_of("b") == (10, 30)
    assert code.functions["a"] == 0


def attribution(calls, kernels) -> Attribution:
    """Of a driver whose line 10 k is of layer k, with one instruction a line."""
    comments = tuple((10 * k, k) for k in range(len(kernels)))
    rows = tuple((line, line) for line in range(100))
    driver = Driver("driver.c", ((0, 100),), rows, comments)
    steps = [Step(k, "op", f"t{k}", name, 0) for k, name in enumerate(kernels)]
    return Attribution(Code((), ((200, "f"), (300, "g"))), driver, steps, Counts(calls, ()))


def test_calls_belong_to_the_layer_above_their_line():
    found = attribution({4: (5, 200), 5: (25, 300), 6: (29, 300)}, ["f", "f", "g"])
    assert found.of == {4: 0, 5: 2, 6: 2}
    (note,) = found.notes()
    assert note.startswith("layer 1: the compiler has merged its calls")


def test_layers_of_kernels_that_nothing_calls_are_no_merged_ones():
    assert attribution({4: (5, 200)}, ["f", "g"]).notes() == ()


def test_a_call_of_another_kernel_than_the_layers_is_refused():
    with pytest.raises(BoardError, match="0x5 is not of the kernel"):
        attribution({4: (5, 300)}, ["f", "g"])


def test_records_of_the_timer_become_layers():
    # Layer 1 in two parts; records take 5 ticks each; what is before the first is layer 0's.
    records = [(100, 9, 0), (205, 105, 1), (260, 210, 2), (300, 265, 1)]
    assert sum_records(records, Fraction(2), 1000) == {0: 1000 - 270 - 100, 1: 270, 2: 100}
    assert sum_records([], Fraction(1), 10) == {}


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_plugin_compiles_without_a_warning(compiler):
    require(compiler)
    source = RUNTIME_C / "qemu" / "profile.c"
    command = [compiler, "-std=c99", "-fPIC", "-fsyntax-only", *WARNINGS, str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_plugin_is_built_once_and_kept(tmp_path, monkeypatch):
    require(toolchain.HOST_CC)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    library = build_plugin(tmp_path)
    assert library.parent == tmp_path / "cache" / "tvm-tiny"
    before = library.stat().st_mtime_ns
    assert build_plugin(tmp_path) == library
    assert library.stat().st_mtime_ns == before
    assert [path.name for path in library.parent.iterdir()] == [library.name]


def test_a_cache_that_cannot_be_written_is_not_needed(tmp_path, monkeypatch):
    require(toolchain.HOST_CC)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "scratch").mkdir()
    assert build_plugin(tmp_path / "scratch").parent == tmp_path / "scratch"


def test_a_compiler_that_fails_is_one_line(tmp_path, monkeypatch):
    bad = tmp_path / "cc"
    bad.write_text("#!/bin/sh\necho 'x.c:1: error: no' >&2\necho more >&2\nexit 1\n")
    bad.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(toolchain, "find_tool", lambda name: bad)
    with pytest.raises(
        PluginMissingError, match=r"cc does not build the plugin: x.c:1: error: no$"
    ):
        build_plugin(tmp_path)
    assert list((tmp_path / "cache" / "tvm-tiny").iterdir()) == []
