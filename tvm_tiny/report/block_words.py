"""The page's words for a block of memory."""

from __future__ import annotations

from collections.abc import Sequence

from .data import Block, Plan, Step
from .words import clean, short

_KINDS = {
    "input": "input of the model",
    "output": "output of the model",
    "tensor": "whole tensor",
    "ring": "rows of a tensor inside a stage",
    "scratch": "scratch of a kernel",
    "state": "progress of the pushed rows",
    "weights": "copied at start",
}


def describe(block: Block, plan: Plan) -> list[str]:
    """Lines of a tooltip: name, kind, addresses and times of need."""
    where = f"at {block.offset:,} to {block.offset + block.bytes:,} of {plan.arena_bytes:,}"
    return [
        clean(block.name),
        *_others(block),
        f"{kind(block)}: {block.dtype} {shape(block.shape)}",
        f"{_bytes(block)} {where}",
        f"needed {life(block, plan)}",
    ]


def _bytes(block: Block) -> str:
    if not block.climb:
        return f"{block.bytes:,} bytes"
    return f"{block.row_bytes:,} bytes, {block.climb:,} further up with each row,"


def _others(block: Block) -> list[str]:
    before = [short(name) for name in block.holds[:-1]]
    return [f"before it in the same memory: {', '.join(before)}"] if before else []


def kind(block: Block) -> str:
    """The kind of a block, and for a line buffer its rows and columns."""
    if block.kind != "ring":
        return _KINDS[block.kind]
    columns = f", {block.columns} of {block.shape[1]} columns" if block.columns else ""
    return (
        f"{_KINDS[block.kind]} ({block.ring} of {block.rows}{columns}, "
        f"{block.row_bytes:,} bytes each)"
    )


def shape(extents: Sequence[int]) -> str:
    """`1x96x96x3` with real multiplication signs."""
    return "\N{MULTIPLICATION SIGN}".join(map(str, extents)) or "scalar"


def life(block: Block, plan: Plan) -> str:
    """The steps from the first to the last that need the block."""
    if not block.runs:
        return "for less than a column of the picture"
    first = _when(block.runs[0].first, plan.steps)
    last = _when(block.runs[-1].end - 1, plan.steps)
    return f"in {first}" if first == last else f"from {first} to {last}"


def _when(column: int, steps: Sequence[Step]) -> str:
    if not steps or column < steps[0].first:
        return "the start"
    step = next((s for s in steps if s.first <= column < s.end), None)
    return "the end" if step is None else f"step {step.index}"
