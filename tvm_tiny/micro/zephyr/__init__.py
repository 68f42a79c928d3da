"""Zephyr: finds a tree, knows its boards, builds applications in it, runs them in QEMU."""

from .boards import ZephyrBoard, find_zephyr_board
from .build import Build, build_application
from .emulator import emulator_command, is_emulated
from .tree import Tree, check_tools, find_tree

__all__ = [
    "Build",
    "Tree",
    "ZephyrBoard",
    "build_application",
    "check_tools",
    "emulator_command",
    "find_tree",
    "find_zephyr_board",
    "is_emulated",
]
