"""Call graphs with stack use, from gcc's .ci files and from machine code."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

#: gcc's name for the callee of a call through a pointer.
INDIRECT = "__indirect_call"

_NODE = re.compile(r'^node: \{ title: "([^"]+)" label: "([^"]*)"')
_EDGE = re.compile(r'^edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')
_STACK = re.compile(r"\\n(\d+) bytes \(([a-z,]+)\)")

_FUNCTION = re.compile(r"^[0-9a-f]+ <([^>]+)>:$")
_INSTRUCTION = re.compile(r"^\s*[0-9a-f]+:\s+(\S+)\s*(.*)$")
_TARGET = re.compile(r"<([^+>]+)(?:\+0x[0-9a-f]+)?>")
#: In an object file the linker fills in calls of other functions: `objdump -dr` prints their names.
_CALL = re.compile(r"R_(?:ARM_THM_(?:CALL|JUMP\d+)|RISCV_(?:CALL|CALL_PLT|JAL))\s+([^\s+]+)")
_IMMEDIATE = re.compile(r"#(\d+)|,-(\d+)$")
#: Data and padding between functions.
_NOT_CODE = frozenset({".word", ".short", ".byte", "nop", "nop.w"})
_ENDS = frozenset({"b", "bx", "udf", "ret", "j", "jr", "tail", "ebreak", "unimp"})

#: Most that libgcc's prologue helpers of 32-bit RISC-V (`-msave-restore`) push: ra, s0-s11.
_RISCV_SAVE_BYTES = 64


@dataclass
class Function:
    """A function's stack use and callees.

    stack      bytes of its own frame
    unbounded  why its stack has no bound; "" where it has one
    """

    stack: int = 0
    callees: set[str] = field(default_factory=set)
    unbounded: str = ""


Graph = dict[str, Function]


def read_callgraph(text: str) -> Graph:
    """The functions of one source, read from its .ci file.

    gcc writes the file with `-fcallgraph-info=su`, in VCG format. A function that gcc knows only by
    its name has no entry in the graph; it occurs among the callees of others.
    """
    graph: Graph = {}
    for line in text.splitlines():
        node = _NODE.match(line)
        if node is not None:
            _add_node(graph, _short(node[1]), node[2])
    for line in text.splitlines():
        edge = _EDGE.match(line)
        if edge is not None and _short(edge[1]) in graph:
            graph[_short(edge[1])].callees.add(_short(edge[2]))
    return graph


def merge(graphs: Iterable[Graph]) -> Graph:
    """One graph of all sources.

    A function of a header may occur in several sources: it gets its largest stack and all callees.
    """
    merged: Graph = {}
    for graph in graphs:
        for title, function in graph.items():
            known = merged.setdefault(title, Function())
            known.stack = max(known.stack, function.stack)
            known.callees |= function.callees
            known.unbounded = known.unbounded or function.unbounded
    return merged


def _short(title: str) -> str:
    """`lib0.c:step` for `/some/folder/lib0.c:step`: gcc's title of a static function."""
    return title.rsplit("/", 1)[-1]


def _add_node(graph: Graph, title: str, label: str) -> None:
    stack = _STACK.search(label)
    if stack is None:
        return
    function = graph.setdefault(title, Function())
    function.stack = max(function.stack, int(stack[1]))
    if stack[2] == "dynamic":
        function.unbounded = "has a local array of variable size"


def with_assembly(graph: Graph, machine: Graph) -> Graph:
    """The functions of a source, with the stack that inline assembly uses.

    gcc counts the stack of its own instructions, but none of what inline assembly pushes. For a
    function without assembly, the machine code gives the same figure as gcc, or a smaller one.

    graph    functions of one source, from its .ci file
    machine  functions of its object file, from `read_disassembly`
    """
    titles = {title.rsplit(":", 1)[-1]: title for title in graph}
    merged = dict(graph)
    for name, read in machine.items():
        title = titles.get(name, name)
        known = graph.get(title)
        if known is not None and read.stack > known.stack:
            callees = {titles.get(callee, callee) for callee in read.callees}
            merged[title] = replace(known, stack=read.stack, callees=known.callees | callees)
    return merged


def read_disassembly(text: str, aliases: Iterable[frozenset[str]] = ()) -> Graph:
    """Functions of `objdump -dr --no-show-raw-insn`, for Arm (Thumb) or RISC-V.

    Every push and every decrement of the stack pointer counts, also those on different paths. So
    a function's stack is an upper bound, and exact for straight-line prologues as of libraries.

    aliases  sets of names for one address, of which the disassembly shows only one
    """
    graph: Graph = {}
    current = Function()
    open_ended = False
    for line in text.splitlines():
        head = _FUNCTION.match(line)
        if head is not None:
            if open_ended:
                current.callees.add(head[1])
            current, open_ended = graph.setdefault(head[1], Function()), False
            continue
        if line.startswith("Disassembly of section"):
            open_ended = False
        call = _CALL.search(line)
        if call is not None:
            current.callees.add(call[1])
            continue
        match = _INSTRUCTION.match(line)
        if match is not None and match[1] not in _NOT_CODE:
            current.stack += _stack_of(match[1], match[2])
            _add_call(current, match[1], match[2])
            open_ended = not _ends(match[1], match[2])
    for name, function in graph.items():
        function.callees.discard(name)  # a loop's branch to its own start
    for names in aliases:
        known = [graph[name] for name in names if name in graph]
        graph.update(dict.fromkeys(names, known[0]) if known else {})
    return graph


def _ends(mnemonic: str, operands: str) -> bool:
    """Whether a function may end with this instruction; others continue into the next function."""
    return mnemonic.split(".")[0] in _ENDS or "pc" in operands


def _stack_of(mnemonic: str, operands: str) -> int:
    """Bytes by which one instruction lowers the stack pointer."""
    base = mnemonic.split(".")[0]
    if base in ("push", "vpush") or (base in ("stmdb", "stmfd", "vstmdb") and "sp!" in operands):
        return _register_bytes(operands)
    if base in ("str", "strd") and re.search(r"\[sp, #-(\d+)\]!", operands):
        return int(re.findall(r"#-(\d+)", operands)[0])
    if (base in ("sub", "subw") and operands.startswith("sp,")) or (
        base in ("addi", "add") and operands.startswith("sp,sp,-")
    ):
        immediate = _IMMEDIATE.search(operands)
        return int(immediate[1] or immediate[2]) if immediate else 0
    return 0


def _register_bytes(operands: str) -> int:
    """Size of `{r4, r5, lr}` or `{d8-d15}`."""
    registers = operands[operands.index("{") + 1 : operands.index("}")]
    total = 0
    for part in registers.split(","):
        first, _, last = part.strip().partition("-")
        count = int(last[1:]) - int(first[1:]) + 1 if last else 1
        total += count * (8 if first.startswith("d") else 4)
    return total


def _add_call(function: Function, mnemonic: str, operands: str) -> None:
    """Adds the callee of a call or tail call (a branch to another function)."""
    base = mnemonic.split(".")[0]
    if base in ("blx", "jalr", "c.jalr") and "<" not in operands:
        function.unbounded = "calls through a pointer"
    target = _TARGET.search(operands)
    if target is not None and target[1].startswith("__riscv_save_"):
        # The helper returns with the stack lowered, so its frame belongs to the caller.
        function.stack += _RISCV_SAVE_BYTES
    elif target is not None and (base[0] == "b" or base in ("j", "jal", "tail", "call", "cbz")):
        function.callees.add(target[1])
