"""Bare-metal firmware that serves a session, or runs another program on the session's line.

It is compiled from the models, the generated glue, runtime_c/session and runtime_c/boards.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tvm_tiny.errors import BoardError

from .. import compiler, elf, emulator
from ..boards import Board, find_board
from ..compiler import Unit
from ..firmware import board_link_flags, board_sources, render_memory
from . import mlperf
from .glue import RUNTIME_SOURCES, TRACE_HEADER, section_macros, session_sources
from .transport import Transport, start_process, start_qemu
from .uarts import find_uart, port_flags

if TYPE_CHECKING:
    from tvm_tiny.archive.reader import Archive

#: Programs by name: their sources below runtime_c, on boards and on the host.
_APPS = {
    "session": ("boards/common/session_main.c",),
    "mlperf": ("boards/common/mlperf_main.c", *mlperf.RUNTIME_SOURCES),
}


@dataclass(frozen=True)
class SessionFirmware:
    """An executable for a board, which can be opened any number of times.

    size: flash and RAM of the whole firmware.
    """

    board: Board
    path: Path
    size: elf.Sizes

    def open(self) -> Transport:
        """Starts the board and gives the line to it; closing the line ends the emulator.

        Raises TransportError if the board does not start, ToolchainError without the emulator.
        """
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=self.path.parent))
        if self.board.machine is None:
            return start_process([str(self.path)], folder)
        command = emulator.run_command(self.board, self.path)
        at = command.index("-serial")
        command[at : at + 2] = []

        def explain(status: int, said: str) -> str:
            return emulator.explain_end(self.path, folder, status, said)

        return start_qemu(command, find_uart(self.board).number, folder=folder, explain=explain)


def build_session_firmware(
    archives: Sequence[Archive],
    board: str,
    work_dir: Path,
    *,
    app: str = "session",
    profile: bool = False,
    extra_cflags: Sequence[str] = (),
) -> SessionFirmware:
    """Compiles and links models and session server, in a fresh folder below `work_dir`.

    archives      the models, which share their arenas
    board         name of a board of `BOARDS`
    app           what the program is: "session", or "mlperf" for MLPerf Tiny's runner and the
                  first model
    profile       take the time of each step
    extra_cflags  for all sources and the linker, after the target's own

    Raises DataError for an unknown board or models that cannot be together, BoardError if they do
    not compile or fit the board, ToolchainError without a compiler.
    """
    chosen = find_board(board)
    texts = session_sources(archives, profile=profile)
    if app == "mlperf":
        texts |= mlperf.mlperf_sources(archives[0])
    work_dir.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{board}-", dir=work_dir)).resolve()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="ascii")
    with compiler.runtime_folder() as runtime:
        boards = runtime / "boards"
        render_memory(boards, folder, chosen)
        units = [
            *_model_units(archives, chosen, runtime, profile),
            *_program_units(archives, chosen, runtime, folder, app),
        ]
        units = [Unit(unit.source, (*unit.flags, *extra_cflags)) for unit in units]
        objects = compiler.compile_units(chosen.target, units, folder)
        path = folder / "firmware.elf"
        try:
            flags = [*extra_cflags, *board_link_flags(chosen, boards, folder)]
            compiler.link(chosen.target, objects, flags, path)
        except compiler.RegionOverflowError as error:
            shutil.rmtree(folder)
            raise BoardError(_does_not_fit(archives, chosen, error.over)) from error
    return SessionFirmware(chosen, path, elf.sizes([path]))


def _model_units(
    archives: Sequence[Archive], board: Board, runtime: Path, profile: bool
) -> list[Unit]:
    trace = ("-include", str(runtime / "include" / TRACE_HEADER)) if profile else ()
    return [
        Unit(
            source,
            (
                *compiler.model_includes(archive.folder),
                *compiler.platform_includes(board.target, runtime),
                *_one_memory(archive),
                *trace,
            ),
        )
        for archive in archives
        for source in compiler.model_sources(archive.folder)
    ]


def _one_memory(archive: Archive) -> tuple[str, ...]:
    """Flags that put arenas and weights into the board's only RAM and flash.

    A model may name sections that exist on another board only.
    """
    flags = [f"-D{macro}=TVM_TINY_SECTION_BSS" for macro in section_macros(archive)]
    if archive.info.weights_section is not None:
        macro = f"{archive.info.prefix.upper()}_SECTION_RODATA"
        flags.append(f"-D{macro}=TVM_TINY_SECTION_RODATA")
    return tuple(flags)


def _program_units(
    archives: Sequence[Archive], board: Board, runtime: Path, folder: Path, app: str
) -> list[Unit]:
    boards, platform = runtime / "boards", board.target.platform
    on_host = board.machine is None
    flags = (
        f"-I{folder}",
        f"-I{runtime / 'include'}",
        f"-I{runtime / 'mlperf'}",
        *(flag for archive in archives for flag in compiler.model_includes(archive.folder)),
        *(flag for archive in archives for flag in _one_memory(archive)),
        *(f"-I{boards / name}" for name in ("common", platform)),
        *compiler.platform_includes(board.target, runtime),
        *compiler.BOARD_FLAGS.get(platform, ()),
        *(() if on_host else port_flags(board)),
    )
    support: tuple[str, ...] = ("host/port.c",)
    if not on_host:
        support = ("common/port.c", find_uart(board).source, *board_sources(board))
    names = [*RUNTIME_SOURCES, *_APPS[app], *(f"boards/{name}" for name in support)]
    sources = [folder / "tvm_tiny_models.c", *(runtime / name for name in names)]
    return [Unit(source, flags) for source in sources]


def _does_not_fit(archives: Sequence[Archive], board: Board, over: dict[str, int]) -> str:
    machine = board.machine
    assert machine is not None
    names = ", ".join(archive.info.name for archive in archives)
    sizes = {"FLASH": ("flash", machine.flash.size), "RAM": ("RAM", machine.ram.size)}
    reasons = [
        f"{sizes[region][0]} needs {sizes[region][1] + bytes_} bytes, {sizes[region][1]} available"
        for region, bytes_ in sorted(over.items())
        if region in sizes
    ]
    return f"a session with {names} does not fit board {board.name}: {'; '.join(reasons)}"
