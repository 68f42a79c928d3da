"""Firmware without an operating system: targets, boards, builds, runs and stack bounds."""

from tvm_tiny.targets import TARGETS, Target, find_target

from .boards import BOARDS, Board, find_board
from .firmware import Firmware, RunResult, build_firmware
from .session import Session, Transport
from .stack import StackReport, stack_bound

__all__ = [
    "BOARDS",
    "TARGETS",
    "Board",
    "Firmware",
    "RunResult",
    "Session",
    "StackReport",
    "Target",
    "Transport",
    "build_firmware",
    "find_board",
    "find_target",
    "stack_bound",
]
