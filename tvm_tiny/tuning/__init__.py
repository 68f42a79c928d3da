"""Searches and measures which choices of micro-kernels take the fewest instructions.

`tune` needs the packages of the extra `tune`; a log is read without them.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tvm_tiny.errors import ToolchainError

from .log import Log
from .log_reader import read_log, read_logs

if TYPE_CHECKING:
    from .search import tune

__all__ = ["Log", "read_log", "read_logs", "tune"]

# Packages that MetaSchedule and its cost model import.
_NEEDED = ("cloudpickle", "psutil", "xgboost")


def __getattr__(name: str) -> Any:
    """Imports `tune` on first use: MetaSchedule needs packages that reading a log does not."""
    if name != "tune":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    missing = [module for module in _NEEDED if find_spec(module) is None]
    if missing:
        raise ToolchainError(
            f"tuning needs {', '.join(missing)}; install it: pip install 'tvm-tiny[tune]'"
        )
    from .search import tune

    return tune
