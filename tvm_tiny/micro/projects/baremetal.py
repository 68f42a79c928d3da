"""A program for a board without an operating system: a session on its UART."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tvm_tiny.errors import BoardError, BudgetError

from .. import emulator
from ..boards import BOARDS as ALL_BOARDS
from ..boards import Board, find_board
from ..compiler import BOARD_FLAGS, runtime_folder
from ..firmware import board_sources, render_memory
from ..session.transport import start_qemu
from ..session.uarts import find_uart, port_flags
from . import make
from .base import GENERATE, Image, Option, ProjectType, Values
from .session_app import APP, BOARDS, PROFILE, check_line, is_inference, program_recipe

if TYPE_CHECKING:
    from tvm_tiny.archive.reader import Archive

    from ..session.transport import Transport

_BOARD = Option(
    name="board",
    help="Board, emulated by QEMU.",
    choices=tuple(name for name, board in ALL_BOARDS.items() if board.machine is not None),
    required_in=(GENERATE,),
)

# Flags of the linker by platform.
_LINK = {"cortex_m": ["-nostartfiles", "-lm"], "riscv": ["-nostdlib", "-lgcc"]}


class BaremetalProject:
    """Start-up code, linker script, UART and models; builds with make alone."""

    name = "baremetal"
    title = "a board without an operating system"

    def options(self) -> Sequence[Option]:
        """Options for the board, the kind of program, and times of steps."""
        return (_BOARD, APP, PROFILE)

    def generate(self, folder: Path, archives: Sequence[Archive], values: Values) -> None:
        """See `ProjectType.generate`."""
        board = find_board(str(values["board"]))
        _check_ram(board, archives)
        platform = board.target.platform
        recipe = program_recipe(folder, archives, board.target, board.title, values)
        with runtime_folder() as runtime:
            render_memory(runtime / "boards", folder, board)
        support = ("common/port.c", find_uart(board).source, *board_sources(board))
        recipe.sources += [f"{BOARDS}/{name}" for name in support]
        recipe.includes += port_flags(board)
        if platform == "riscv":
            recipe.includes += ["-isystem", f"{BOARDS}/riscv/include"]
        for part in ("src", make.RUNTIME):
            recipe.special.append((part, list(BOARD_FLAGS.get(platform, ()))))
        if is_inference(values):
            recipe.run = _run_command(board)
        script = f"-T{BOARDS}/common/sections.ld"
        recipe.link = ["-L.", script, "-Wl,--gc-sections", *_LINK[platform]]
        recipe.write(folder)

    def build(self, folder: Path, values: Values) -> Image:
        """Runs make with the board's cross compiler; BoardError if the program does not fit."""
        board = find_board(str(values["board"]))
        try:
            return make.run_make(folder, board.target)
        except make.FitError as error:
            raise BoardError(_does_not_fit(folder, board, error.over)) from None

    def flash(self, folder: Path, values: Values) -> None:
        """Nothing: the emulator loads the program."""

    def open_transport(self, folder: Path, values: Values) -> Transport:
        """Starts the emulator; DataError where the program has no line."""
        check_line(folder, values)
        path, board = make.built(folder), find_board(str(values["board"]))
        build = path.parent
        (build / "fault.txt").unlink(missing_ok=True)  # left by an earlier run
        command = emulator.run_command(board, path)
        at = command.index("-serial")
        command[at : at + 2] = []

        def explain(status: int, said: str) -> str:
            return emulator.explain_end(path, build, status, said)

        return start_qemu(command, find_uart(board).number, folder=build, explain=explain)


def _run_command(board: Board) -> list[str]:
    """The emulator's command for a program that prints through semihosting."""
    machine = board.machine
    assert machine is not None
    quiet = ("-display", "none", "-monitor", "none", "-serial", "none")
    semihosting = ("-semihosting-config", "enable=on,target=native")
    return [machine.emulator, *machine.arguments, *quiet, *semihosting, "-kernel", make.IMAGE]


def _check_ram(board: Board, archives: Sequence[Archive]) -> None:
    """Raises BudgetError if the largest arena does not fit the board's RAM.

    Models share their arenas. The check comes first, so that nothing is compiled in vain.
    """
    machine = board.machine
    assert machine is not None
    largest = max(archives, key=lambda archive: archive.info.workspace_bytes).info
    free = machine.ram.size - machine.stack_reserve
    if largest.workspace_bytes > free:
        raise BudgetError(
            f"model {largest.name!r} needs {largest.workspace_bytes} bytes of SRAM, board "
            f"{board.name} has {free} beside its stack; compile it with --sram, or choose a "
            "larger board"
        )


def _does_not_fit(folder: Path, board: Board, over: dict[str, int]) -> str:
    machine = board.machine
    assert machine is not None
    sizes = {"FLASH": ("flash", machine.flash.size), "RAM": ("RAM", machine.ram.size)}
    reasons = [
        f"{sizes[region][0]} needs {sizes[region][1] + more} bytes, {sizes[region][1]} available"
        for region, more in sorted(over.items())
        if region in sizes
    ]
    return f"'{folder}' does not fit board {board.name}: {'; '.join(reasons)}"


PROJECT_TYPE: ProjectType = BaremetalProject()
