"""Compiles calls of micro-kernels with a main() of their own and runs them on a board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np
from aot.host_library import run_tool

from tvm_tiny.micro import compiler, emulator
from tvm_tiny.micro.boards import Board, find_board
from tvm_tiny.micro.compiler import Unit

STRICT = ("-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wcast-qual", "-Wshadow")
SUPPORT = {
    "cortex_m": ("common/semihosting.c", "common/report.c", "cortex_m/startup.c"),
    "riscv": ("common/semihosting.c", "common/report.c", "riscv/startup.c", "riscv/string.c"),
    "host": ("host/files.c",),
}
MAIN = """\
#include "tvm_tiny/options.h"
#include "tvm_tiny/plain.h"
#include "files.h"
int main(void);
{cases}
int main(void) {{
  const tvm_tiny_file file = tvm_tiny_file_open("results.bin", TVM_TINY_FILE_WRITE);
{calls}
  tvm_tiny_file_close(file);
  return 0;
}}
"""
CALL = """\
  case_{k}();
  if (tvm_tiny_file_write(file, c{k}_out, sizeof c{k}_out) != sizeof c{k}_out) return 1;"""
C_TYPES = {"int8": "int8_t", "int32": "int32_t"}


@dataclass(frozen=True)
class Case:
    """One call of kernels.

    arrays  constants by name; `before` is what `out` holds at the start (int8)
    body    C statements that use those names
    want    `out` afterwards
    """

    name: str
    arrays: dict[str, np.ndarray]
    before: np.ndarray
    body: str
    want: np.ndarray


def run_cases(board: str, cases: Sequence[Case], folder: Path, flags: Sequence[str] = ()) -> None:
    """Builds for a board and runs there; fails with the names of the cases that differ."""
    source = folder / "cases.c"
    source.write_text(program(cases))
    chosen = find_board(board)
    emulator.execute(chosen, build(chosen, source, folder, flags), folder, 60)
    check(cases, folder)


def run_on_host(tool: str, cases: Sequence[Case], folder: Path, flags: Sequence[str]) -> None:
    """The same with any compiler of this machine."""
    source = folder / "cases.c"
    source.write_text(program(cases))
    with compiler.runtime_folder() as runtime:
        boards = runtime / "boards"
        includes = [f"-I{p}" for p in (boards / "common", boards / "host", runtime / "include")]
        command = [tool, "-std=c99", *STRICT, *flags, *includes, source, boards / "host/files.c"]
        run_tool([*command, "-o", folder / "cases.elf"])
    emulator.execute(find_board("host"), folder / "cases.elf", folder, 60)
    check(cases, folder)


def check(cases: Sequence[Case], folder: Path) -> None:
    """Fails with the names of the cases whose results differ."""
    results = np.fromfile(folder / "results.bin", "int8")
    ends = np.cumsum([case.want.size for case in cases])
    found = np.split(results, ends[:-1])
    wrong = [c.name for c, r in zip(cases, found, strict=True) if not np.array_equal(r, c.want)]
    assert not wrong


def program(cases: Sequence[Case]) -> str:
    """All cases as one C source.

    Each array is an object of its own, for the sanitizers, and aligned, so that words are copied.
    """
    numbered = list(enumerate(cases))
    texts = [_case(k, case) for k, case in numbered]
    return MAIN.format(
        cases="\n".join(texts), calls="\n".join(CALL.format(k=k) for k, _ in numbered)
    )


def _case(k: int, case: Case) -> str:
    arrays = [_array(f"const {C_TYPES[str(a.dtype)]} c{k}_{n}", a) for n, a in case.arrays.items()]
    names = [f"#define {n} c{k}_{n}" for n in (*case.arrays, "out")]
    undo = [f"#undef {n}" for n in (*case.arrays, "out")]
    out = _array(f"int8_t c{k}_out", case.before)
    function = [f"static void case_{k}(void) {{", case.body, "}"]
    return "\n".join([*arrays, out, *names, *function, *undo])


def _array(declaration: str, values: np.ndarray) -> str:
    flat = values.reshape(-1)
    return f"TVM_TINY_ALIGN(4) static {declaration}[{flat.size}] = {{{', '.join(map(str, flat))}}};"


def build(board: Board, source: Path, folder: Path, flags: Sequence[str]) -> Path:
    """An executable of `source` and the board's support; `flags` are for the source alone."""
    target = board.target
    with compiler.runtime_folder() as runtime:
        boards = runtime / "boards"
        places = (boards / "common", boards / target.platform, runtime / "include")
        includes = [f"-I{p}" for p in places] + list(compiler.platform_includes(target, runtime))
        quiet = compiler.BOARD_FLAGS.get(target.platform, ())
        units = [Unit(source, (*includes, *STRICT, *flags))]
        units += [Unit(boards / name, (*includes, *quiet)) for name in SUPPORT[target.platform]]
        objects = compiler.compile_units(target, units, folder)
        return _link(board, objects, boards / "common", folder)


def _link(board: Board, objects: Sequence[Path], common: Path, folder: Path) -> Path:
    elf = folder / "cases.elf"
    flags = list(compiler.link_flags(board.target))
    if board.machine is not None:
        template = jinja2.Template((common / "memory.ld.j2").read_text(), trim_blocks=True)
        memory = template.render(board=board, machine=board.machine)
        (folder / "memory.ld").write_text(memory)
        flags += [f"-L{folder}", f"-T{common / 'sections.ld'}"]
    compiler.link(board.target, objects, flags, elf)
    return elf
