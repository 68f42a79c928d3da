"""The command line: `tvm-tiny`."""

from .app import main

__all__ = ["main"]
