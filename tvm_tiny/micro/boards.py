"""The boards that firmware can be built for and run on.

A new board is one new entry of `_BOARDS`.

Addresses and clocks are those of QEMU 7.2's models. Where a model has far more memory than a
microcontroller would, the table offers a realistic part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from tvm_tiny import toolchain
from tvm_tiny.errors import DataError
from tvm_tiny.targets import TARGETS, Target
from tvm_tiny.text import did_you_mean

_KIB = 1024
_MIB = 1024 * _KIB


@dataclass(frozen=True)
class Region:
    """Memory from address `origin`, `size` bytes long."""

    origin: int
    size: int


@dataclass(frozen=True)
class Machine:
    """An emulated board.

    emulator       key of toolchain.PACKAGES
    arguments      the emulator's arguments that choose the machine
    clock_hz       frequency of the counter that measures instructions
    flash, ram     regions of the linker script
    vectors        where the vector table must stand, if not at the start of flash
    stack_reserve  bytes of RAM below which the linker refuses; the stack gets all that is left
    """

    emulator: str
    arguments: tuple[str, ...]
    clock_hz: int
    flash: Region
    ram: Region
    vectors: Region | None = None
    stack_reserve: int = 8 * _KIB

    @property
    def instructions_per_tick(self) -> Fraction:
        """One instruction takes one nanosecond of virtual time under `-icount shift=0`."""
        return Fraction(10**9, self.clock_hz)


@dataclass(frozen=True)
class Board:
    """A board; its machine is None where the firmware is a process of the host."""

    name: str
    title: str
    target: Target
    machine: Machine | None


_LOW_FLASH = Region(0x0000_0000, 2 * _MIB)
_LOW_RAM = Region(0x2000_0000, 512 * _KIB)

_BOARDS = (
    Board("host", "a process of this machine", TARGETS["host"], None),
    Board(
        "microbit",
        "BBC micro:bit, nRF51822",
        TARGETS["cortex-m0"],
        Machine(
            toolchain.QEMU_ARM,
            ("-machine", "microbit"),
            16_000_000,
            Region(0x0000_0000, 256 * _KIB),
            Region(0x2000_0000, 16 * _KIB),
            stack_reserve=1 * _KIB,
        ),
    ),
    Board(
        "mps2_an385",
        "Arm MPS2, AN385",
        TARGETS["cortex-m3"],
        Machine(toolchain.QEMU_ARM, ("-machine", "mps2-an385"), 25_000_000, _LOW_FLASH, _LOW_RAM),
    ),
    Board(
        "mps2_an386",
        "Arm MPS2, AN386",
        TARGETS["cortex-m4"],
        Machine(toolchain.QEMU_ARM, ("-machine", "mps2-an386"), 25_000_000, _LOW_FLASH, _LOW_RAM),
    ),
    Board(
        "mps2_an500",
        "Arm MPS2, AN500",
        TARGETS["cortex-m7"],
        Machine(toolchain.QEMU_ARM, ("-machine", "mps2-an500"), 25_000_000, _LOW_FLASH, _LOW_RAM),
    ),
    Board(
        # Secure aliases: the processor starts in Secure state and stays there.
        "mps2_an505",
        "Arm MPS2, AN505",
        TARGETS["cortex-m33"],
        Machine(
            toolchain.QEMU_ARM,
            ("-machine", "mps2-an505"),
            20_000_000,
            Region(0x1000_0000, 2 * _MIB),
            Region(0x3800_0000, 512 * _KIB),
        ),
    ),
    Board(
        # The vectors must be in the ITCM (512 KiB), which is too small for larger models; code
        # and constants are in the FPGA's SRAM, data in the DTCM. Secure aliases.
        "mps3_an547",
        "Arm MPS3, AN547",
        TARGETS["cortex-m55"],
        Machine(
            toolchain.QEMU_ARM,
            ("-machine", "mps3-an547"),
            32_000_000,
            Region(0x1100_0000, 2 * _MIB),
            Region(0x3000_0000, 512 * _KIB),
            vectors=Region(0x1000_0000, 4 * _KIB),
        ),
    ),
    Board(
        # RAM lies below code, so that a stack that overflows soon leaves memory and faults; only
        # the reset code must stand at the start of memory.
        "riscv32",
        "RISC-V virt, 32 bits",
        TARGETS["rv32"],
        Machine(
            toolchain.QEMU_RISCV32,
            ("-machine", "virt", "-bios", "none"),
            10**9,  # minstret counts instructions themselves
            Region(0x8010_0000, 2 * _MIB),
            Region(0x8000_1000, 512 * _KIB),
            vectors=Region(0x8000_0000, 4 * _KIB),
        ),
    ),
)

BOARDS: Mapping[str, Board] = MappingProxyType({board.name: board for board in _BOARDS})


def find_board(name: str) -> Board:
    """The board of that name; DataError with a suggestion if there is none."""
    board = BOARDS.get(name)
    if board is None:
        raise DataError(f"unknown board {name!r}{did_you_mean(name, BOARDS)}")
    return board
