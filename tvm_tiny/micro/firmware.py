"""Builds bare-metal firmware around a model and runs it over samples.

The firmware is runtime_c/boards: start-up code, semihosting and one main() for all boards. Only
glue.h (the model's names) and memory.ld (the board's memory) are generated.
"""

from __future__ import annotations

import shutil
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np

from tvm_tiny.archive.metadata import ModelInfo, Tensor, read_model_info
from tvm_tiny.errors import BoardError, DataError

from . import compiler, elf, emulator, report
from .boards import Board, find_board
from .compiler import Unit

#: Instructions of one poll of the counter; equals TVM_TINY_COUNTER_POLL of cortex_m/platform.h.
_POLL_INSTRUCTIONS = 4

_SOURCES = {
    "cortex_m": ("common/semihosting.c", "cortex_m/startup.c"),
    "riscv": ("common/semihosting.c", "riscv/startup.c", "riscv/string.c"),
    "host": ("host/files.c",),
}


@dataclass(frozen=True)
class RunResult:
    """Outputs and measurements of one run.

    outputs            for each sample, the outputs in the model's order
    instructions       count of the model's run function for each sample; None on the host
    stack_bytes        most stack that the run function used; None on the host. If every sample ran
                       long enough for the counter to wrap (2^24 ticks), it may include one
                       exception frame
    arena_bytes        the model's workspace
    flash_bytes        code, constants and initial values of the whole firmware
    model_flash_bytes  likewise of the model's own objects, before the linker drops unused parts
    ram_bytes          data and arena of the whole firmware, without the stack
    trace              for each sample, the result of each step by its index, if traced
    """

    outputs: list[list[np.ndarray]]
    instructions: tuple[int, ...] | None
    stack_bytes: int | None
    arena_bytes: int
    flash_bytes: int
    model_flash_bytes: int
    ram_bytes: int
    trace: list[dict[int, np.ndarray]] | None


@dataclass(frozen=True)
class Firmware:
    """An executable for a board, which can `run` any number of times."""

    board: Board
    model: ModelInfo
    path: Path
    size: elf.Sizes
    model_size: elf.Sizes
    trace: bool

    def run(self, inputs: Sequence[Sequence[np.ndarray]], timeout_s: float = 120.0) -> RunResult:
        """Runs all samples in one start of the board.

        inputs  for each sample, the model's inputs in order, of compiled dtype and shape

        Raises DataError if an input does not fit, BoardError if the firmware fails, faults or is
        not done after `timeout_s` seconds, ToolchainError without the emulator.
        """
        data = _pack_inputs(self.model.inputs, inputs)
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=self.path.parent))
        try:
            (folder / "inputs.bin").write_bytes(data)
            emulator.execute(self.board, self.path, folder, timeout_s)
            return self._result(folder, len(inputs))
        finally:
            shutil.rmtree(folder)

    def _result(self, folder: Path, samples: int) -> RunResult:
        lines = report.read_lines(folder / "report.txt")
        measured = [line for line in lines if line.word == "sample"]
        empty = next((line for line in lines if line.word == "empty"), None)
        if empty is None or len(measured) != samples:
            raise BoardError(
                f"{self.board.name}: report.txt has {len(measured)} of {samples} samples"
            )
        outputs = _unpack_outputs(self.model.outputs, folder / "outputs.bin", samples)
        steps = report.read_trace(folder / "trace.bin", self.model.steps) if self.trace else None
        on_host = self.board.machine is None
        return RunResult(
            outputs=outputs,
            instructions=None
            if on_host
            else tuple(instructions(self.board, m, empty) for m in measured),
            stack_bytes=None if on_host else _stack(measured),
            arena_bytes=self.model.workspace_bytes,
            flash_bytes=self.size.flash,
            model_flash_bytes=self.model_size.flash,
            ram_bytes=self.size.ram,
            trace=steps,
        )


def instructions(board: Board, line: report.Line, empty: report.Line) -> int:
    """Instructions of one measured call beyond those of an empty function."""
    return _raw_count(board, line) - _raw_count(board, empty)


def _raw_count(board: Board, line: report.Line) -> int:
    """Instructions between two edges of the counter, without the polls for the second edge."""
    assert board.machine is not None
    ticks = line.fields["ticks"] * board.machine.instructions_per_tick
    return round(ticks) - _POLL_INSTRUCTIONS * line.fields["polls"]


def _stack(measured: Sequence[report.Line]) -> int:
    """The most stack of any sample.

    The counter's interrupt pushes a frame of its own, so samples without an interrupt take
    precedence.
    """
    clean = [line for line in measured if line.fields["wraps"] == 0]
    return max(line.fields["stack"] for line in clean or measured)


def build_firmware(
    mlf_dir: Path,
    board: str,
    work_dir: Path,
    *,
    trace: bool = False,
    extra_cflags: Sequence[str] = (),
) -> Firmware:
    """Compiles and links a model with the board support, in a fresh folder below `work_dir`.

    mlf_dir       unpacked Model Library Format
    board         name of a board of `BOARDS`
    trace         record the result of every step (the counts then include the recording)
    extra_cflags  for all sources and the linker, after the target's own

    Raises DataError for an unknown board or a folder that is not a model, BoardError if the
    sources do not compile or the model does not fit the board, ToolchainError without a compiler.
    """
    chosen = find_board(board)
    model = read_model_info(mlf_dir)
    work_dir.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{board}-", dir=work_dir)).resolve()
    with compiler.runtime_folder() as runtime:
        boards = runtime / "boards"
        _render(boards, folder, model, chosen)
        flags = tuple(extra_cflags)
        if trace:
            flags += ("-DTVM_TINY_BOARD_TRACE",)
        model_units = _model_units(mlf_dir, chosen, runtime, (*flags, *_sections(model)), trace)
        units = [*model_units, *_board_units(mlf_dir, chosen, runtime, folder, flags, trace)]
        objects = compiler.compile_units(chosen.target, units, folder)
        link_flags = [*extra_cflags, *board_link_flags(chosen, boards, folder)]
        path = folder / "firmware.elf"
        try:
            compiler.link(chosen.target, objects, link_flags, path)
        except compiler.RegionOverflowError as error:
            raise BoardError(_does_not_fit(model, chosen, error.over)) from error
    model_objects = objects[: len(model_units)]
    return Firmware(chosen, model, path, elf.sizes([path]), elf.sizes(model_objects), trace)


def board_link_flags(board: Board, boards: Path, folder: Path) -> list[str]:
    """Flags of the linker for a board.

    boards  the folder runtime_c/boards
    folder  where `render_memory` wrote memory.ld
    """
    flags = list(compiler.link_flags(board.target))
    if board.machine is not None:
        script = boards / "common" / "sections.ld"
        flags += [f"-L{folder}", f"-T{script}", "-Wl,--gc-sections"]
    return flags


def _sections(model: ModelInfo) -> tuple[str, ...]:
    """Flags that put weights into the board's only flash.

    A model may name a section for its weights that exists on another board only.
    """
    if model.weights_section is None:
        return ()
    return (f"-D{model.prefix.upper()}_SECTION_RODATA=TVM_TINY_SECTION_RODATA",)


def _model_units(
    mlf_dir: Path, board: Board, runtime: Path, flags: tuple[str, ...], trace: bool
) -> list[Unit]:
    own = (
        *compiler.model_includes(mlf_dir),
        *compiler.platform_includes(board.target, runtime),
        *flags,
    )
    if trace:
        own += ("-include", str(runtime / "boards" / "common" / "trace.h"))
    return [Unit(source, own) for source in compiler.model_sources(mlf_dir)]


def _board_units(
    mlf_dir: Path,
    board: Board,
    runtime: Path,
    folder: Path,
    flags: tuple[str, ...],
    trace: bool,
) -> list[Unit]:
    boards = runtime / "boards"
    platform = board.target.platform
    includes = (
        f"-I{folder}",
        f"-I{boards / 'common'}",
        f"-I{boards / platform}",
        *compiler.model_includes(mlf_dir),
        f"-I{runtime / 'include'}",
        *compiler.platform_includes(board.target, runtime),
    )
    names = ["common/main.c", *board_sources(board)]
    if trace:
        names.append("common/trace.c")
    own = (*includes, *flags, *compiler.BOARD_FLAGS.get(platform, ()))
    return [Unit(boards / name, own) for name in names]


def board_sources(board: Board) -> tuple[str, ...]:
    """Sources of all firmware of a board except main(), relative to runtime_c/boards."""
    return ("common/report.c", *_SOURCES[board.target.platform])


def _render(boards: Path, folder: Path, model: ModelInfo, board: Board) -> None:
    """Writes glue.h and memory.ld."""
    glue = _templates(boards).get_template("glue.h.j2").render(model=model)
    (folder / "glue.h").write_text(glue, encoding="ascii")
    render_memory(boards, folder, board)


def render_memory(boards: Path, folder: Path, board: Board) -> None:
    """Writes memory.ld, the board's memory regions. boards: the folder runtime_c/boards."""
    if board.machine is not None:
        template = _templates(boards).get_template("memory.ld.j2")
        memory = template.render(board=board, machine=board.machine)
        (folder / "memory.ld").write_text(memory, encoding="ascii")


def _templates(boards: Path) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(boards / "common"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _does_not_fit(model: ModelInfo, board: Board, over: dict[str, int]) -> str:
    machine = board.machine
    assert machine is not None
    reasons = []
    if "FLASH" in over:
        size = machine.flash.size
        reasons.append(f"flash needs {size + over['FLASH']} bytes, {size} available")
    if "RAM" in over:
        size = machine.ram.size
        reasons.append(
            f"RAM needs {size + over['RAM']} bytes (arena {model.workspace_bytes}, at least "
            f"{machine.stack_reserve} for the stack), {size} available"
        )
    return f"model {model.name!r} does not fit board {board.name}: {'; '.join(reasons)}"


def _pack_inputs(tensors: Sequence[Tensor], samples: Sequence[Sequence[np.ndarray]]) -> bytes:
    """inputs.bin: the number of samples, then every input of every sample."""
    if not samples:
        raise DataError("no samples to run: expected at least one")
    parts = [struct.pack("=I", len(samples))]
    for index, sample in enumerate(samples):
        if len(sample) != len(tensors):
            raise DataError(
                f"sample {index} has {len(sample)} inputs, the model expects {len(tensors)}"
            )
        for tensor, value in zip(tensors, sample, strict=True):
            if value.shape != tensor.shape or value.dtype != np.dtype(tensor.dtype):
                raise DataError(
                    f"sample {index}, input {tensor.name!r} is {value.dtype} "
                    f"{list(value.shape)}, the model expects {tensor.dtype} {list(tensor.shape)}"
                )
            parts.append(value.tobytes())
    return b"".join(parts)


def _unpack_outputs(tensors: Sequence[Tensor], path: Path, samples: int) -> list[list[np.ndarray]]:
    data = path.read_bytes()
    expected = samples * sum(tensor.nbytes for tensor in tensors)
    if len(data) != expected:
        raise BoardError(f"{path.name} of the firmware has {len(data)} of {expected} bytes")
    outputs: list[list[np.ndarray]] = []
    at = 0
    for _ in range(samples):
        outputs.append([])
        for tensor in tensors:
            piece = data[at : at + tensor.nbytes]
            outputs[-1].append(np.frombuffer(piece, tensor.dtype).reshape(tensor.shape))
            at += tensor.nbytes
    return outputs
