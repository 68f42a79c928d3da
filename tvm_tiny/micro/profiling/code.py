"""The machine code of firmware: the kind of each instruction and its function."""

from __future__ import annotations

import bisect
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tvm_tiny import toolchain
from tvm_tiny.errors import BoardError

#: Kinds of instructions, in the order of tables.
KINDS = ("loads", "stores", "multiplies", "branches", "other")

_LINE = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$")
_BRACES = re.compile(r"\{([^}]*)\}")

_CONDITIONS = "eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le|al"
ARM_KINDS = {
    "branches": re.compile(rf"(b|bl|bl?x(ns)?)({_CONDITIONS})?|cbn?z|tb[bh]|le(tp)?|wls(tp)?"),
    "loads": re.compile(r"v?ldr.*|v?ldm.*|v?pop.*|vld[1-4].*|lda.*"),
    "stores": re.compile(r"v?str.*|v?stm.*|v?push.*|vst[1-4].*|stl.*"),
    # All instructions that multiply: Armv7-M ARM, A4.4.3 to A4.4.5, and Armv8.1-M's vectors.
    "multiplies": re.compile(
        r"ml[as].*|mul.*|[su]mul.*|[su]ml[as].*|[su]mm.*|smu[as]d.*|umaal.*"
        r"|vq?r?d?n?m(ul|l[as]).*|vq?dm(ul|l[as]).*|vr?ml[as].*|vf[nm].*|vnm.*|vcm(ul|la).*"
    ),
}
RISCV_KINDS = {
    "branches": re.compile(r"(c\.)?(beq|bne|blt|bge|bgt|ble)(u|z)?|(c\.)?j(al)?r?|ret|tail|call"),
    "loads": re.compile(r"(c\.)?(f?l[bhwd]u?(sp)?|lr\..*)"),
    "stores": re.compile(r"(c\.)?(f?s[bhwd](sp)?|sc\..*)"),
    "multiplies": re.compile(r"(c\.)?mul(h|hu|hsu|w)?|fmul.*|fn?madd.*|fn?msub.*"),
}


@dataclass(frozen=True)
class Instruction:
    """One instruction. kind: one of `KINDS`. words: number of registers it loads or stores."""

    address: int
    name: str
    operands: str
    kind: str
    words: int = 0


@dataclass(frozen=True)
class Code:
    """Instructions of an executable by rising address, and its functions (address, name).

    A function may have several names, and several functions one name.
    """

    instructions: tuple[Instruction, ...]
    symbols: tuple[tuple[int, str], ...]

    @cached_property
    def _addresses(self) -> list[int]:
        return [instruction.address for instruction in self.instructions]

    @cached_property
    def functions(self) -> Mapping[str, int]:
        """Address of each name; the lowest where functions share a name."""
        return {name: start for start, name in reversed(self.symbols)}

    @cached_property
    def _starts(self) -> list[tuple[int, str]]:
        """Addresses of functions, each with the first of its names by the alphabet."""
        return sorted(dict(reversed(self.symbols)).items())

    def between(self, first: int, last: int) -> Sequence[Instruction]:
        """The instructions at addresses first to last."""
        low = bisect.bisect_left(self._addresses, first)
        return self.instructions[low : bisect.bisect_right(self._addresses, last)]

    def function_of(self, address: int) -> str:
        """Name of the last function that starts at or before an address.

        Parts of hand-written code that have no symbol so belong to the function before them.
        """
        position = bisect.bisect_right(self._starts, address, key=lambda entry: entry[0])
        return self._starts[position - 1][1] if position else f"0x{address:x}"

    def range_of(self, name: str) -> tuple[int, int]:
        """Addresses [start, end) from a function's start to the next function's."""
        start = self.functions[name]
        position = bisect.bisect_right(self._starts, start, key=lambda entry: entry[0])
        end = self._starts[position][0] if position < len(self._starts) else self._addresses[-1] + 4
        return start, end


def read_code(path: Path, compiler: str) -> Code:
    """Reads the code of an executable with objdump.

    compiler  key of toolchain.PACKAGES; its objdump is used

    Raises ToolchainError without objdump, BoardError if it cannot read the file.
    """
    objdump = toolchain.find_binutil(compiler, "objdump")
    command = [str(objdump), "-d", "--no-show-raw-insn", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BoardError(f"{objdump.name} cannot read {path.name}: {done.stderr.strip()}")
    patterns = RISCV_KINDS if compiler == toolchain.RISCV_GCC else ARM_KINDS
    return Code(tuple(_instructions(done.stdout, patterns)), tuple(sorted(_symbols(path))))


def _instructions(text: str, patterns: Mapping[str, re.Pattern[str]]) -> Iterator[Instruction]:
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None or match[2].startswith("."):
            continue
        name, operands = match[2].lower(), match[3].strip()
        kind = kind_of(name, patterns)
        words = _words(name, operands) if kind in ("loads", "stores") else 0
        yield Instruction(int(match[1], 16), name, operands, kind, words)


def kind_of(name: str, patterns: Mapping[str, re.Pattern[str]] = ARM_KINDS) -> str:
    """The kind of a mnemonic of objdump; suffixes for widths and types are ignored."""
    plain = name.split(".")[0] if patterns is ARM_KINDS else name
    return next((kind for kind, match in patterns.items() if match.fullmatch(plain)), "other")


def _words(name: str, operands: str) -> int:
    """Number of registers of a load or store: a list, a pair, or one."""
    braces = _BRACES.search(operands)
    if braces is None:
        return 2 if name.startswith(("ldrd", "strd")) else 1
    count = 0
    for part in braces[1].split(","):
        first, _, last = part.strip().partition("-")
        count += int(last[1:]) - int(first[1:]) + 1 if last else 1
    return count


def _symbols(path: Path) -> Iterator[tuple[int, str]]:
    """Address and name of each function; the lowest bit, which marks Thumb code, is cleared."""
    with path.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            if isinstance(section, SymbolTableSection):
                for symbol in section.iter_symbols():
                    if symbol["st_info"]["type"] == "STT_FUNC":
                        yield symbol["st_value"] & ~1, symbol.name
