"""A bound on the stack a model needs, found without running it.

gcc writes each function's stack and callees (`-fcallgraph-info=su`); the deepest path from the
entry point is the bound. gcc sees neither the pushes of inline assembly nor library functions
(memcpy, 64-bit arithmetic on small cores): their stack is read from machine code, for which the
library functions are linked. Interrupts are not counted: on Cortex-M an exception frame needs
another 32 bytes, 104 with floating point.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tvm_tiny import toolchain
from tvm_tiny.archive.metadata import read_model_info
from tvm_tiny.errors import BoardError
from tvm_tiny.targets import Target, find_target

from . import compiler
from .callgraph import (
    INDIRECT,
    Function,
    Graph,
    merge,
    read_callgraph,
    read_disassembly,
    with_assembly,
)
from .compiler import Unit
from .elf import function_aliases


@dataclass(frozen=True)
class StackReport:
    """The bound and where it comes from.

    bytes      deepest path from `entry`, its own frame included
    path       the deepest path: each function and the bytes of its own frame
    functions  stack of every function of the model's sources
    excluded   functions of the host's C library, which are not counted
    """

    entry: str
    bytes: int
    path: tuple[tuple[str, int], ...]
    functions: Mapping[str, int]
    excluded: tuple[str, ...] = ()


def stack_bound(mlf_dir: Path, target: str) -> StackReport:
    """Bound for a model's run function, compiled for `target` as firmware is.

    Raises BoardError where there is no bound (recursion, a call through a pointer, an array of
    variable size), naming the function; DataError for an unknown target or a folder that is not
    a model; ToolchainError without a gcc.
    """
    chosen = find_target(target)
    entry = read_model_info(mlf_dir).run_function
    with (
        tempfile.TemporaryDirectory(prefix="tvm-tiny-stack-") as name,
        compiler.runtime_folder() as runtime,
    ):
        folder = Path(name)
        flags = (
            "-fcallgraph-info=su",
            *compiler.model_includes(mlf_dir),
            *compiler.platform_includes(chosen, runtime),
        )
        units = [Unit(source, flags) for source in compiler.model_sources(mlf_dir)]
        objects = compiler.compile_units(chosen, units, folder)
        graph = merge(_object_graph(chosen, obj) for obj in objects)
        graph = {**graph, **_merged(graph)}
        own = {name: function.stack for name, function in sorted(graph.items())}
        unknown = _unknown(graph)
        if chosen.name != "host" and unknown:
            graph = {**_library_graph(chosen, unknown, runtime, folder), **graph}
    if entry not in graph:
        raise BoardError(f"{mlf_dir}: the sources define no {entry}")
    excluded = unknown if chosen.name == "host" else ()
    for name in excluded:
        graph[name] = Function()
    path = _deepest(graph, entry)
    steps = tuple((name, graph[name].stack) for name in path)
    return StackReport(entry, sum(size for _, size in steps), steps, own, excluded)


def _object_graph(target: Target, obj: Path) -> Graph:
    """Functions of one source, with the stack of inline assembly (which host programs lack)."""
    graph = read_callgraph(obj.with_suffix(".ci").read_text())
    return graph if target.name == "host" else with_assembly(graph, _machine_graph(target, obj))


def _machine_graph(target: Target, file: Path, aliases: Sequence[frozenset[str]] = ()) -> Graph:
    """Functions of an object or executable, from its instructions."""
    objdump = toolchain.find_binutil(target.compiler, "objdump")
    command = [str(objdump), "-dr", "--no-show-raw-insn", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BoardError(f"{objdump.name} cannot read {file.name}: {done.stderr.strip()}")
    return read_disassembly(done.stdout, aliases)


def _merged(graph: Graph) -> dict[str, Function]:
    """Entries for static functions that are called but missing, since gcc merged equal functions.

    gcc does not write down which of the equal functions it kept. The kept one is a static function
    of the same source, so the deepest of those that do not call the missing one bounds it.
    """
    missing = {name for name in _unknown(graph) if ":" in name}
    return {
        name: Function(
            callees={
                other
                for other in graph
                if ":" in other
                and other.split(":")[0] == name.split(":")[0]
                and not missing & graph[other].callees
            }
        )
        for name in sorted(missing)
    }


def _unknown(graph: Graph) -> tuple[str, ...]:
    """Functions that are called but not defined by the model."""
    called = {callee for function in graph.values() for callee in function.callees}
    return tuple(sorted(called - set(graph) - {INDIRECT}))


def _library_graph(target: Target, names: Sequence[str], runtime: Path, folder: Path) -> Graph:
    """Links library functions and reads the stack use off their instructions."""
    units = []
    if target.platform == "riscv":
        # As in firmware: the compiler comes without a C library.
        source = runtime / "boards" / "riscv" / "string.c"
        flags = (*compiler.platform_includes(target, runtime), *compiler.BOARD_FLAGS["riscv"])
        units = [Unit(source, flags)]
    image = folder / "library.elf"
    objects = compiler.compile_units(target, units, folder)
    keep = [f"-Wl,--undefined={name}" for name in names]
    # Functions that a library itself misses (_sbrk, ...) become callees without an entry.
    partial = ["-Wl,--entry=0", "-Wl,--unresolved-symbols=ignore-all", *keep]
    compiler.link(target, objects, [*partial, *compiler.link_flags(target)], image)
    return _machine_graph(target, image, function_aliases(image))


def _deepest(graph: Graph, entry: str) -> list[str]:
    """The path of calls from `entry` that needs most stack, found depth first."""
    best: dict[str, list[str]] = {}
    open_calls: list[str] = []

    def depth(path: Sequence[str]) -> int:
        return sum(graph[name].stack for name in path)

    def visit(name: str) -> list[str]:
        if name in best:
            return best[name]
        if name in open_calls:
            cycle = " -> ".join([*open_calls[open_calls.index(name) :], name])
            raise BoardError(f"no stack bound: {name} is recursive ({cycle})")
        caller = open_calls[-1] if open_calls else "nothing"
        if name == INDIRECT:
            raise BoardError(f"no stack bound: {caller} calls through a pointer")
        function = graph.get(name)
        if function is None:
            raise BoardError(f"no stack bound: {name}, called by {caller}, is not defined")
        if function.unbounded:
            raise BoardError(f"no stack bound: {name} {function.unbounded}")
        open_calls.append(name)
        below = max((visit(callee) for callee in sorted(function.callees)), key=depth, default=[])
        open_calls.pop()
        best[name] = [name, *below]
        return best[name]

    return visit(entry)
