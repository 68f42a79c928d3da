"""Sums of counts: instructions, their mix and estimated cycles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from .code import KINDS, Code
from .cycles import ESTIMATES, whole_cycles
from .plugin import Count


@dataclass(frozen=True)
class Work:
    """Instructions that a part of an inference executed.

    mix     instructions by kind (`KINDS`); None where only their number is known
    cycles  estimates by core (see cycles.py); empty for code of other cores
    """

    instructions: int
    mix: Mapping[str, int] | None = None
    cycles: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Work) -> Work:
        both = self.mix is not None and other.mix is not None
        return Work(
            self.instructions + other.instructions,
            _sum(self.mix or {}, other.mix or {}) if both else None,
            _sum(self.cycles, other.cycles),
        )


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: value + other[key] for key, value in one.items()}


class Sum:
    """Work that is being added up."""

    def __init__(self, cores: tuple[str, ...]) -> None:
        self._mix: Counter[str] = Counter()
        self._halves: Counter[str] = Counter(dict.fromkeys(cores, 0))

    def add(self, code: Code, count: Count) -> None:
        """Adds all runs of a block."""
        block = code.between(count.first, count.last)
        for instruction in block:
            self._mix[instruction.kind] += count.runs
        for core in self._halves:
            self._halves[core] += ESTIMATES[core](block, count.runs, count.jumps)

    def work(self) -> Work:
        """The sum so far."""
        return Work(
            sum(self._mix.values()),
            {kind: self._mix[kind] for kind in KINDS},
            {core: whole_cycles(halves) for core, halves in sorted(self._halves.items())},
        )
