"""`compile --dump-ir`: a pass instrument that writes the module after every pass."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tvm
from tvm.ir.instrument import pass_instrument
from tvm.ir.transform import PassContext
from tvm_ffi import structural_equal

from tvm_tiny.errors import DataError

# Names of the pipeline's passes begin so. TVM's own passes run within them, many times.
_PREFIX = "tvm_tiny."


@pass_instrument
class DumpIR:
    """Writes 00_import.py, then a file for each pass.

    A pass's file has a line with its time, and the IR if the pass changed it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._before: Any = None
        self._start = 0.0

    def run_before_pass(self, mod: tvm.IRModule, info: Any) -> None:
        """Notes the module and the time."""
        if not info.name.startswith(_PREFIX):
            return
        if self._count == 0:
            self._write("import", f"# imported\n{_text(mod)}")
        self._before = mod
        self._start = time.perf_counter()

    def run_after_pass(self, mod: tvm.IRModule, info: Any) -> None:
        """Writes the file of a pass."""
        if not info.name.startswith(_PREFIX):
            return
        name = info.name.removeprefix(_PREFIX)
        head = f"# {name}: {(time.perf_counter() - self._start) * 1e3:.1f} ms"
        if structural_equal(self._before, mod):
            self._write(name, f"{head}, unchanged\n")
        else:
            self._write(name, f"{head}\n{_text(mod)}")

    def _write(self, name: str, text: str) -> None:
        path = self._folder / f"{self._count:02d}_{name}.py"
        path.write_text(text, encoding="utf-8")
        self._count += 1


def _text(mod: tvm.IRModule) -> str:
    return f"{mod.script(show_meta=False)}\n"


@contextmanager
def dumping(folder: Path) -> Iterator[None]:
    """A context in which all passes are dumped into a new or empty folder."""
    try:
        folder.mkdir(exist_ok=True)
        filled = any(folder.iterdir())
    except OSError as error:
        raise DataError(f"--dump-ir '{folder}': {error.strerror}") from None
    if filled:
        raise DataError(f"--dump-ir '{folder}' is not empty; remove it or choose another")
    with PassContext(instruments=[DumpIR(folder)]):
        yield
