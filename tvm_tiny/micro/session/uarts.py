"""The UART that sessions use on each board of tvm_tiny.micro.boards.

It is the second UART of a board with several, since most systems have their console on the first.
Addresses are those of QEMU 7.2's models, and Secure aliases where the processor starts in Secure
state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tvm_tiny.errors import DataError

from ..boards import BOARDS, Board


@dataclass(frozen=True)
class Uart:
    """A UART. source: driver below runtime_c/boards; number: which `-serial` of QEMU it is."""

    source: str
    address: int
    number: int


_CMSDK = "cortex_m/uart_cmsdk.c"
_MPS2 = Uart(_CMSDK, 0x4000_5000, 1)

UARTS: Mapping[str, Uart] = MappingProxyType(
    {
        "microbit": Uart("cortex_m/uart_nrf51.c", 0x4000_2000, 0),
        "mps2_an385": _MPS2,
        "mps2_an386": _MPS2,
        "mps2_an500": _MPS2,
        "mps2_an505": Uart(_CMSDK, 0x5020_1000, 1),
        "mps3_an547": Uart(_CMSDK, 0x5930_4000, 1),
        "riscv32": Uart("riscv/uart_16550.c", 0x1000_0000, 0),
    }
)

#: Ticks of the board's counter for one tick of tvm_tiny_clock() (runtime_c/boards/*/clock.h).
_RISCV_INSTRUCTIONS = 8


def find_uart(board: Board) -> Uart:
    """The UART of a board; DataError for a board without one, such as the host."""
    if board.name not in UARTS:
        raise DataError(f"board {board.name!r} has no UART; those with one: {', '.join(UARTS)}")
    return UARTS[board.name]


def port_flags(board: Board) -> tuple[str, ...]:
    """Macros for compiling runtime_c/boards/common/port.c and the UART's driver."""
    machine = BOARDS[board.name].machine
    assert machine is not None
    rate = machine.clock_hz
    if board.target.platform == "riscv":
        rate //= _RISCV_INSTRUCTIONS
    return (
        f"-DTVM_TINY_UART_BASE=0x{find_uart(board).address:08x}u",
        f"-DTVM_TINY_TICKS_PER_SECOND={rate}u",
    )
