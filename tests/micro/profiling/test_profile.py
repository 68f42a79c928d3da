"""Instructions by layer and by function: exact, of every board, for every kind of driver."""

from __future__ import annotations

import re
import shutil

import pytest
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from modelgen.inverted_residual import ACTIVATION, Network, inverted_residual
from tools import require

import tvm_tiny
from tvm_tiny import toolchain
from tvm_tiny.archive.reader import read_folder
from tvm_tiny.errors import BoardError, DataError, ToolchainError
from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.micro import BOARDS, build_firmware
from tvm_tiny.micro.profiling import layers as profile_layers
from tvm_tiny.micro.profiling import plugin as profile_plugin
from tvm_tiny.micro.profiling.profile import profile_model
from tvm_tiny.samples import random_samples

pytestmark = pytest.mark.qemu

#: `run` waits for a tick of its counter at both ends, by polls of 4 instructions, and subtracts an
#: empty function, which is a few instructions longer than what hands over the arena.
TOLERANCE = 12
VARIANTS = {
    "layers": {},
    "stages": {"minimize": True},
    "pushed": {"minimize": True, "stream_input": True},
    "own-buffers": {"io_in_arena": False},
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """`compiled("stages")`: a small network in one of the ways that drivers differ."""
    cases = {}

    def get(variant):
        if variant not in cases:
            cases[variant] = build(inverted_residual(), tmp_path_factory.mktemp(variant), variant)
        return cases[variant]

    return get


@pytest.fixture
def layers(compiled):
    return compiled("layers")


@pytest.fixture(autouse=True)
def _tools(request):
    require(toolchain.HOST_CC)
    if "emulated" not in request.fixturenames:
        require(toolchain.ARM_GCC, toolchain.QEMU_ARM)


def build(model: bytes, folder, options):
    tvm_tiny.build(from_tflite(model), **VARIANTS[options]).save(folder / "mlf", folder=True)
    return folder / "mlf"


def profile(mlf, board, work):
    ports = read_folder(mlf).interface.inputs
    sample = random_samples(ports, 1, 0)[0]
    device = [port.to_device(array) for port, array in zip(ports, sample, strict=True)]
    return profile_model(mlf, board, device, work)


@pytest.mark.parametrize("variant", ["layers", "pushed"])
def test_on_every_board_the_parts_are_what_run_counts(compiled, emulated, tmp_path, variant):
    found = profile(compiled(variant), emulated, tmp_path)
    check_sums(found)
    assert (found.caller.instructions > 0) == (variant == "pushed")


@pytest.mark.parametrize("variant", ["stages", "own-buffers"])
def test_the_parts_of_other_drivers_are_what_run_counts(compiled, tmp_path, variant):
    check_sums(profile(compiled(variant), "mps2_an386", tmp_path))


def check_sums(found):
    assert found.counter == "plugin"
    assert found.notes == ()
    parts = [layer.work.instructions for layer in found.layers]
    total = found.total.instructions
    assert total == sum(parts) + found.driver.instructions
    assert total == sum(work.instructions for work in found.functions.values())
    assert total == sum(found.total.mix.values())
    outside = found.caller.instructions + found.interrupts
    assert abs(found.board_count - total - outside) <= TOLERANCE


@pytest.mark.parametrize("variant", ["stages", "pushed"])
def test_every_row_is_one_call(compiled, tmp_path, variant):
    mlf = compiled(variant)
    found = profile(mlf, "mps2_an386", tmp_path)
    shapes = read_folder(mlf).info.steps
    calls = {k.step.index: k.calls for k in found.layers if k.step.op in ("qconv2d", "qadd")}
    assert len(calls) >= 4
    assert calls == {index: shapes[index].shape[1] for index in calls}
    assert all(layer.calls for layer in found.layers if layer.step.op != "push")


def test_counts_repeat_exactly(layers, tmp_path):
    first = profile(layers, "mps2_an386", tmp_path / "1")
    assert profile(layers, "mps2_an386", tmp_path / "2") == first


def test_layers_that_share_a_kernel_are_counted_apart(tmp_path):
    net = Network()
    x = net.input((1, 8, 8, 4), ACTIVATION)
    model = net.finish([net.depthwise(net.depthwise(net.depthwise(x)))])
    found = profile(build(model, tmp_path, "layers"), "mps2_an386", tmp_path)
    (kernel,) = {layer.step.kernel for layer in found.layers}
    counts = [layer.work.instructions for layer in found.layers]
    assert len(counts) == 3
    assert [layer.calls for layer in found.layers] == [8, 8, 8]
    assert min(counts) > 1000
    assert sum(counts) == found.functions[kernel].instructions


LOOP = "1: subs r3, r3, #1\\n bne 1b\\n"
# An instruction of 32 bits across the end of one of QEMU's pages, of 1024 bytes.
ACROSS_PAGES = (
    "b 2f\\n .balign 1024\\n .space 1018\\n 1: subs r3, r3, #1\\n nop\\n add.w r2, r2, #0\\n"
    " bne 1b\\n b 3f\\n 2: b 1b\\n 3:\\n"
)


@pytest.mark.parametrize(("code", "length"), [(LOOP, 2), (ACROSS_PAGES, 4)])
def test_a_known_loop_in_one_kernel_is_counted_there_and_exactly(layers, tmp_path, code, length):
    short, long = (with_loop(layers, tmp_path, code, turns) for turns in (100, 12_345))
    for one, other in zip(short.layers, long.layers, strict=True):
        more = length * (12_345 - 100) * one.calls if one.step.op == "qadd" else 0
        assert other.work.instructions - one.work.instructions == more
    assert short.driver == long.driver


def with_loop(layers, tmp_path, code, turns):
    mlf = shutil.copytree(layers, tmp_path / f"turns{turns}")
    source = mlf / "codegen" / "host" / "src" / "tvmgen_default_kernels.c"
    assembly = f'  __asm__ volatile(".syntax unified\\n movw r3, #{turns}\\n {code}"'
    clobbers = ' ::: "r2", "r3", "cc");\n'
    head = re.compile(r"(void tvmgen_default_qadd_row\([^)]*\) \{\n)")
    text, found = head.subn(lambda m: m[1] + assembly + clobbers, source.read_text())
    assert found == 1
    source.write_text(text)
    return profile(mlf, "mps2_an386", tmp_path)


def test_interrupts_are_counted_apart(layers, tmp_path, monkeypatch):
    """A counter of 10 bits instead of 24 interrupts every 40960 instructions."""
    quiet = profile(layers, "mps2_an386", tmp_path)

    def often(*arguments, extra_cflags, **options):
        flags = (*extra_cflags, "-DTVM_TINY_SYSTICK_BITS=10")
        return build_firmware(*arguments, extra_cflags=flags, **options)

    monkeypatch.setattr("tvm_tiny.micro.profiling.counted.build_firmware", often)
    found = profile(layers, "mps2_an386", tmp_path)
    assert found.interrupts >= quiet.total.instructions // 40960
    assert quiet.interrupts == 0
    for one, other in zip(quiet.layers, found.layers, strict=True):
        assert (one.calls, one.work.mix) == (other.calls, other.work.mix)
    assert found.driver.mix == quiet.driver.mix


def test_line_numbers_change_no_byte_of_the_firmware(compiled, tmp_path):
    plain = build_firmware(compiled("pushed"), "mps2_an386", tmp_path)
    numbered = build_firmware(compiled("pushed"), "mps2_an386", tmp_path, extra_cflags=("-g",))
    assert loaded(plain.path) == loaded(numbered.path)


def loaded(path):
    with path.open("rb") as file:
        sections = ELFFile(file).iter_sections()
        return {s.name: s.data() for s in sections if s["sh_flags"] & SH_FLAGS.SHF_ALLOC}


@pytest.mark.parametrize("board", ["microbit", "mps2_an386", "riscv32"])
def test_without_a_compiler_the_boards_timer_counts_layers(layers, board, tmp_path, monkeypatch):
    require(BOARDS[board].target.compiler, BOARDS[board].machine.emulator)
    check_timer(layers, board, tmp_path, monkeypatch)


def test_the_timer_counts_layers_of_streamed_inputs(compiled, tmp_path, monkeypatch):
    check_timer(compiled("pushed"), "mps2_an386", tmp_path, monkeypatch)


def check_timer(mlf, board, work, monkeypatch):
    exact = profile(mlf, board, work)
    no_compiler(monkeypatch)
    found = profile(mlf, board, work)
    (note,) = found.notes
    assert "cc not found" in note
    assert "\n" not in note
    assert (found.counter, found.functions, found.total.mix) == ("timer", None, None)
    assert found.total.instructions == found.board_count
    # A layer is its own work, the driver's for it, and at each record up to a tick.
    for one, other in zip(exact.layers, found.layers, strict=True):
        difference = abs(one.work.instructions - other.work.instructions)
        assert difference < exact.total.instructions / 20


def no_compiler(monkeypatch):
    find = toolchain.find_tool

    def without(name):
        if name == toolchain.HOST_CC:
            raise ToolchainError("cc not found: install it")
        return find(name)

    monkeypatch.setattr(toolchain, "find_tool", without)


def test_a_plugin_that_qemu_refuses_is_no_failure(layers, tmp_path, monkeypatch):
    bad = tmp_path / "bad.so"
    bad.write_bytes(b"no library")
    monkeypatch.setattr("tvm_tiny.micro.profiling.profile.build_plugin", lambda scratch: bad)
    found = profile(layers, "mps2_an386", tmp_path)
    assert found.counter == "timer"
    assert "does not load" in found.notes[0]


def test_firmware_that_fails_is_not_run_again_with_the_timer(layers, tmp_path):
    mlf = shutil.copytree(layers, tmp_path / "mlf")
    source = mlf / "codegen" / "host" / "src" / "tvmgen_default.c"
    text = source.read_text().replace("return TVM_TINY_ERROR_OK;", "return 0x777;")
    source.write_text(text)
    with pytest.raises(BoardError, match="0x0777"):
        profile(mlf, "mps2_an386", tmp_path)


def test_the_host_counts_nothing(layers, tmp_path):
    with pytest.raises(DataError, match="choose an emulated board"):
        profile(layers, "host", tmp_path)


def test_a_driver_of_another_model_is_refused(layers, tmp_path):
    mlf = shutil.copytree(layers, tmp_path / "mlf")
    source = mlf / "codegen" / "host" / "src" / "tvmgen_default.c"
    source.write_text(re.sub(r"/\* 1: q", "/* 0: q", source.read_text()))
    with pytest.raises(BoardError, match="compile the model again"):
        profile(mlf, "mps2_an386", tmp_path)


def test_a_driver_without_comments_is_refused(layers, tmp_path):
    mlf = shutil.copytree(layers, tmp_path / "mlf")
    source = mlf / "codegen" / "host" / "src" / "tvmgen_default.c"
    source.write_text(re.sub(r"/\* \d+: ", "/* ", source.read_text()))
    with pytest.raises(BoardError, match="no layer is called at"):
        profile(mlf, "mps2_an386", tmp_path)


def test_steps_without_kernels_are_refused(layers, tmp_path):
    mlf = shutil.copytree(layers, tmp_path / "mlf")
    metadata = mlf / "metadata.json"
    metadata.write_text(metadata.read_text().replace('"kernel"', '"kernels"'))
    with pytest.raises(DataError, match="lack 'kernel'"):
        profile_layers.read_steps(mlf, read_folder(mlf).info)


def test_counts_that_were_cut_short_are_refused():
    with pytest.raises(BoardError, match="ended before"):
        profile_plugin.read_counts("block 0 4\nruns 2 1 0\n")


def test_boards_without_an_emulator_say_what_to_install(layers, tmp_path, monkeypatch):
    require(BOARDS["mps2_an386"].target.compiler)
    find = toolchain.find_tool

    def without(name):
        if name.startswith("qemu"):
            raise ToolchainError(f"{name} not found: install it with 'apt install {name}'")
        return find(name)

    monkeypatch.setattr("tvm_tiny.micro.emulator.find_tool", without)
    with pytest.raises(ToolchainError, match="apt install"):
        profile(layers, "mps2_an386", tmp_path)
