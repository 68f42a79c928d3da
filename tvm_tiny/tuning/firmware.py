"""Firmware that counts the instructions of many kernels of one layer.

An executor may run `measure` on another machine, so it takes and gives plain data. That machine
needs this package, the compiler and the emulator.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import jinja2

from tvm_tiny.errors import BoardError, DataError, VerificationError
from tvm_tiny.micro import compiler, emulator, report
from tvm_tiny.micro.boards import Board, find_board
from tvm_tiny.micro.compiler import Unit
from tvm_tiny.micro.firmware import board_link_flags, board_sources, instructions, render_memory

#: Seconds until firmware counts as hung; a kernel takes a fraction of one.
TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Kernel:
    """A row kernel in C and its arguments.

    label  the choice in words, for messages
    text   C: `void kernel(input, constants..., integers, output, scratch, row) {...}`
    """

    label: str
    text: str
    constants: tuple[bytes, ...]
    integers: tuple[int, ...]
    scratch_bytes: int


@dataclass(frozen=True)
class Batch:
    """Kernels that must all give the bytes that the first gives for `input`.

    layer    name of the layer, for messages
    rows     number of rows, which is the number of runs of each kernel
    headers  headers of the micro-kernels that the kernels call
    """

    board: str
    layer: str
    kernels: tuple[Kernel, ...]
    input: bytes
    output_bytes: int
    rows: int
    headers: tuple[str, ...]


def measure(batch: Batch) -> list[int | None]:
    """Instructions of each kernel for the whole layer; None for kernels that do not fit.

    Raises VerificationError if a kernel gives other bytes than the first, BoardError if the
    firmware does not build or fails or the first kernel does not fit the board, ToolchainError
    without compiler or emulator.
    """
    board = emulated(batch.board)
    try:
        return [*_measure(batch, board)]
    except compiler.RegionOverflowError as error:
        if len(batch.kernels) == 1:
            raise BoardError(_no_room(batch, error.over)) from error
    first, *others = batch.kernels
    counts: list[int | None] = [*measure(replace(batch, kernels=(first,)))]
    for kernel in others:
        try:
            counts.append(_measure(replace(batch, kernels=(first, kernel)), board)[1])
        except compiler.RegionOverflowError:
            counts.append(None)
    return counts


def _no_room(batch: Batch, over: dict[str, int]) -> str:
    amounts = ", ".join(f"{bytes_:,} bytes of {name}" for name, bytes_ in sorted(over.items()))
    return f"layer '{batch.layer}' alone does not fit board {batch.board}: {amounts} too many"


def _measure(batch: Batch, board: Board) -> list[int]:
    with tempfile.TemporaryDirectory(prefix="tvm-tiny-") as work, compiler.runtime_folder() as c:
        folder = Path(work)
        elf = _build(batch, board, c, folder)
        (folder / "inputs.bin").write_bytes(batch.input)
        emulator.execute(board, elf, folder, TIMEOUT_S)
        _compare(batch, (folder / "outputs.bin").read_bytes())
        return _counts(batch, board, folder / "report.txt")


def emulated(name: str) -> Board:
    """The board of a name; DataError if there is none or it counts no instructions."""
    board = find_board(name)
    if board.machine is None:
        raise DataError(
            f"board {name!r} counts no instructions: tune for an emulated one, such as mps2_an386"
        )
    return board


def _build(batch: Batch, board: Board, runtime: Path, folder: Path) -> Path:
    boards = runtime / "boards"
    constants = {_name(data): data for kernel in batch.kernels for data in kernel.constants}
    (folder / "main.c").write_text(_main(batch, sorted(constants)), encoding="ascii")
    (folder / "kernels.c").write_text(_kernels(batch), encoding="ascii")
    (folder / "constants.S").write_text(_write_constants(constants, folder), encoding="ascii")
    render_memory(boards, folder, board)
    elf = folder / "firmware.elf"
    objects = compiler.compile_units(board.target, _units(board, runtime, folder), folder)
    compiler.link(board.target, objects, board_link_flags(board, boards, folder), elf)
    return elf


def _units(board: Board, runtime: Path, folder: Path) -> list[Unit]:
    boards, platform = runtime / "boards", board.target.platform
    flags = (
        *(f"-I{boards / 'common'}", f"-I{boards / platform}", f"-I{runtime / 'include'}"),
        *compiler.platform_includes(board.target, runtime),
    )
    support = (*flags, *compiler.BOARD_FLAGS.get(platform, ()))
    return [
        Unit(folder / "main.c", flags),
        Unit(folder / "kernels.c", flags),
        Unit(folder / "constants.S"),
        *(Unit(boards / name, support) for name in board_sources(board)),
    ]


def _kernels(batch: Batch) -> str:
    """The C file of the kernels.

    It is apart from main(), as in a compiled model, so that the compiler does not know arguments.
    """
    includes = [f'#include "{header}"\n' for header in batch.headers]
    return "\n".join(
        [*includes, *(_named(kernel.text, k) for k, kernel in enumerate(batch.kernels))]
    )


def _named(text: str, number: int) -> str:
    return text.replace(" kernel(", f" kernel_{number}(", 1)


def _main(batch: Batch, constants: Sequence[str]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tvm_tiny", "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    kernels = [
        {
            "declaration": _named(kernel.text, k).partition(" {")[0] + ";",
            "constants": [_name(data) for data in kernel.constants],
            "integers": kernel.integers,
            "scratch": kernel.scratch_bytes > 0,
        }
        for k, kernel in enumerate(batch.kernels)
    ]
    return environment.get_template("tuning.c.j2").render(
        constants=constants,
        kernels=kernels,
        rows=batch.rows,
        input_bytes=len(batch.input),
        output_bytes=batch.output_bytes,
        scratch_bytes=max(1, *(kernel.scratch_bytes for kernel in batch.kernels)),
    )


def _name(data: bytes) -> str:
    """C name of a constant, which kernels with equal constants share."""
    return f"constant_{hashlib.sha256(data).hexdigest()[:16]}"


def _write_constants(constants: dict[str, bytes], folder: Path) -> str:
    """Writes constants to files, and gives assembly that includes them.

    A C compiler would take long to read large arrays.
    """
    lines = ["  .section .rodata"]
    for name, data in sorted(constants.items()):
        path = folder / f"{name}.bin"
        path.write_bytes(data)
        lines += ["  .balign 16", f"  .global {name}", f"{name}:", f'  .incbin "{path}"']
    return "\n".join([*lines, ""])


def _compare(batch: Batch, data: bytes) -> None:
    size = batch.output_bytes
    if len(data) != size * len(batch.kernels):
        raise BoardError(f"outputs.bin of the firmware has {len(data)} bytes")
    for k, kernel in enumerate(batch.kernels):
        if data[k * size : (k + 1) * size] != data[:size]:
            raise VerificationError(
                f"layer '{batch.layer}': {kernel.label} does not give the bytes of "
                f"{batch.kernels[0].label} on {batch.board}; please report it"
            )


def _counts(batch: Batch, board: Board, path: Path) -> list[int]:
    empty, *measured = [m for m in report.read_lines(path) if m.word in ("empty", "sample")]
    if len(measured) != len(batch.kernels):
        raise BoardError(f"report.txt has {len(measured)} of {len(batch.kernels)} kernels")
    return [instructions(board, line, empty) for line in measured]
