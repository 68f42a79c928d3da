"""Reads and writes tests/benchmarks.json, and compares new figures with it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from tvm_tiny import toolchain
from tvm_tiny.micro.boards import BOARDS

from .cases import DIGITS, LAYERS, PORTABLE, ROOT, Case, all_cases
from .measure import Figure, Result

RECORDS = ROOT / "tests" / "benchmarks.json"
#: Share by which a change may increase a count. Counts repeat exactly with the same tools.
TOLERANCE = 0.02
#: Largest share of the portable kernels' instructions that micro-kernels in plain C may take.
MOST_OF_PORTABLE = 0.6

Figures = Mapping[Case, Figure]


def load(path: Path = RECORDS) -> tuple[dict[str, str], dict[Case, Figure]]:
    """Recorded versions of tools, and recorded figures."""
    if not path.exists():
        return {}, {}
    root = json.loads(path.read_text(encoding="utf-8"))
    figures = {
        Case(model, board, form): Figure(**figure)
        for model, boards in root["figures"].items()
        for board, forms in boards.items()
        for form, figure in forms.items()
    }
    return root["tools"], figures


def save(tools: Mapping[str, str], figures: Figures, path: Path = RECORDS) -> None:
    """Writes figures sorted, without cases that are no longer measured."""
    tree: dict[str, dict[str, dict[str, dict[str, int]]]] = {}
    for case in all_cases():
        if case in figures:
            forms = tree.setdefault(case.model, {}).setdefault(case.board, {})
            forms[case.form] = asdict(figures[case])
    text = json.dumps({"tools": dict(tools), "figures": tree}, indent=1, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")


def tool_versions(boards: Iterable[str]) -> dict[str, str]:
    """Versions of the compilers and emulators for boards, by tool.

    A version is the first line of `--version`. Raises ToolchainError where a tool is missing.
    """
    names = set()
    for name in boards:
        board = BOARDS[name]
        assert board.machine is not None
        names |= {board.target.compiler, board.machine.emulator}
    return {name: _version(toolchain.find_tool(name)) for name in sorted(names)}


def _version(tool: Path) -> str:
    command = [str(tool), "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[0]


def other_tools(recorded: Mapping[str, str], present: Mapping[str, str]) -> list[str]:
    """A line for each tool whose version differs from the recorded one."""
    return [
        f"recorded with {recorded[name]}, this is {version}"
        for name, version in present.items()
        if recorded.get(name, version) != version
    ]


def slower(recorded: Figures, results: Sequence[Result]) -> list[str]:
    """A line for each count without a record, or above it by over TOLERANCE."""
    lines = []
    for result in results:
        if result.figure is None:
            continue
        old, new = recorded.get(result.case), result.figure.instructions
        if old is None:
            lines.append(f"{result.case}: {new:,} instructions, none recorded")
        elif new > old.instructions * (1 + TOLERANCE):
            more = new / old.instructions - 1
            lines.append(
                f"{result.case}: {new:,} instructions, "
                f"{more:.1%} more than the recorded {old.instructions:,}"
            )
    return lines


def against_portable(figures: Figures) -> dict[Case, float]:
    """The default kernels' instructions as shares of the portable kernels', by case."""
    shares = {}
    for case, portable in sorted(figures.items()):
        default = Case(case.model, case.board, LAYERS)
        if case.form == PORTABLE and default in figures:
            shares[default] = figures[default].instructions / portable.instructions
    return shares


def not_faster(figures: Figures) -> list[str]:
    """A line for each share of the portable kernels' instructions above MOST_OF_PORTABLE.

    DIGITS has no such limit: products that round in float32, as onnxruntime does, have no
    micro-kernels.
    """
    return [
        f"{case}: {share:.3f} of the portable kernels' instructions, at most {MOST_OF_PORTABLE}"
        for case, share in against_portable(figures).items()
        if case.model != DIGITS and share > MOST_OF_PORTABLE
    ]
