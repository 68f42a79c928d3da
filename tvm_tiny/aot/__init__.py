"""Ahead-of-time code generator: a lowered and planned module to C99 and its archive."""

from .archive import archive_files, write_archive, write_folder
from .driver import driver_of
from .program import Program, read_program
from .source import generate_sources

__all__ = [
    "Program",
    "archive_files",
    "driver_of",
    "generate_sources",
    "read_program",
    "write_archive",
    "write_folder",
]
