"""A memory plan in words, for the terminal and the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tvm_tiny.passes.memory_aware_schedule import OrderReport

from .data import Block, Peak, Plan, Report, Step
from .pareto import Point, StageShape

# Converters join the names of all operators that were fused, the result's name first.
_JOINT = ";"
_WIDTH = 44
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"


def clean(name: str) -> str:
    """A name without characters that control terminals or the direction of text."""
    return "".join(c if c.isprintable() else _UNPRINTABLE for c in name)


def short(name: str, width: int = _WIDTH) -> str:
    """The first part of a joined name, cut on the left to `width` characters."""
    first, joint, _ = clean(name).partition(_JOINT)
    text = f"{first}{_JOINT}{_ELLIPSIS}" if joint else first
    return text if len(text) <= width else f"{_ELLIPSIS}{text[1 - width :]}"


def tail(name: str, width: int) -> str:
    """The end of the result's own name."""
    first = clean(name).partition(_JOINT)[0]
    return first if len(first) <= width else f"{_ELLIPSIS}{first[1 - width :]}"


def memory(plan: Plan) -> str:
    """`1,234 bytes of SRAM`, or the bytes used of each pool."""
    used = [f"{pool.bytes:,} bytes of {pool.name}" for pool in plan.pools if pool.bytes]
    return " and ".join(used) or f"{plan.arena_bytes:,} bytes of SRAM"


def proof(plan: Plan) -> str:
    """Whether a better plan of the steps is possible."""
    if plan.pools:
        return "in all pools together"
    if plan.proven:
        return "proven: no plan of these steps is smaller"
    return f"no plan of these steps is below {plan.lower_bound:,}"


def arena(plan: Plan) -> str:
    """Size of the arena, and whether a smaller one is possible."""
    if plan.pools:
        proof = "proven the best" if plan.proven else "not proven the best"
        return f"{memory(plan)}, {proof} for these steps"
    size = f"{plan.arena_bytes:,} bytes"
    if plan.proven:
        return f"{size}, proven: no plan of these steps is smaller"
    return f"{size}; no plan of these steps is smaller than {plan.lower_bound:,}"


def order(found: OrderReport) -> str:
    """Result of the search for the order of operators, in live bytes of whole tensors."""
    now = f"whole tensors peak at {found.peak:,} live bytes"
    before = found.peak_before
    what = "as in the model" if found.peak == before else f"changed, it was {before:,}"
    proof = "proven the least" if not found.gap else f"at most {found.gap:,} above the least"
    return f"{now}, {proof}; {what}"


def techniques(plans: Sequence[Plan]) -> list[tuple[str, int, int]]:
    """Title and bytes of each technique, and the bytes that it saves."""
    before = [plans[0], *plans]
    pairs = zip(before, plans, strict=False)
    return [(p.title, p.arena_bytes, old.arena_bytes - p.arena_bytes) for old, p in pairs]


def peak(found: Peak, plan: Plan) -> str:
    """Bytes at a peak, and the step, tensor and row that is computed then."""
    size = f"{found.bytes:,} bytes"
    if found.step is None or found.tensor is None:
        when = "before the first step" if found.column < plan.steps[0].first else "at the end"
        return f"{size} {when}"
    where = f"{size} in step {found.step}, '{short(found.tensor)}'"
    return f"{where}, {place(found)}" if place(found) else where


def place(found: Peak) -> str:
    """`row 3`, or `row 3 of tile 2`."""
    if found.row is None:
        return ""
    return f"row {found.row}" if found.tile is None else f"row {found.row} of tile {found.tile}"


def shares(found: Peak, plan: Plan) -> list[str]:
    """The blocks that are live at a peak, by address."""
    return [
        f"{share.low:,} to {share.high:,}: {_what(plan.blocks[share.block])} "
        f"'{short(plan.blocks[share.block].name)}', {share.high - share.low:,} of "
        f"{_size(plan.blocks[share.block]):,} bytes"
        for share in found.shares
    ]


def _size(block: Block) -> int:
    """Bytes of a block that can be needed at once."""
    return block.row_bytes if block.climb else block.bytes


def _what(block: Block) -> str:
    return f"{block.ring} of {block.rows} rows of" if block.kind == "ring" else block.kind


def rings(step: Step, plan: Plan) -> str:
    """Line buffers of a step as rows x bytes: `3x384, 2 of 1x768`."""
    blocks = [plan.blocks[k] for k in step.rings]
    counts = Counter(f"{b.ring}x{b.row_bytes:,}" for b in blocks)
    return ", ".join(text if n == 1 else f"{n} of {text}" for text, n in counts.items()) or "-"


def scratch(step: Step, plan: Plan) -> int:
    """Scratch bytes of TVM's own kernels in a step."""
    return sum(plan.blocks[k].bytes for k in step.scratch)


def band(step: Step, width: float) -> str:
    """Number and title of a step, or its number alone where its band is narrow."""
    number = str(step.index)
    full = f"{number}: {step_title(step)}"
    return next((text for text in (full, number) if 7 * len(text) + 4 < width), "")


def step_title(step: Step) -> str:
    """`stage of 8`, or the operator."""
    if step.kind == "stage":
        return stage(len(step.tensors), step.tiles)
    return f"{step.ops[0]}, backward" if step.backward else step.ops[0]


def stage(operators: int, tiles: tuple[int, int]) -> str:
    """`stage of 8`, or `stage of 8 in 2x3 tiles`."""
    text = f"stage of {operators}"
    return text if tiles == (1, 1) else f"{text} in {tiles[0]}x{tiles[1]} tiles"


def moment(step: Step) -> str:
    """Row of a step's own peak, and the operator if the step has several."""
    where = place(step.peak)
    if step.kind != "stage" or step.peak.tensor is None:
        return where
    return f"{where} of {short(step.peak.tensor)}"


def stages(point: Point) -> str:
    """`layer by layer`, or `2 stages: 3 + 10 operators`."""
    if not point.stages:
        return "layer by layer"
    noun = "stage" if len(point.stages) == 1 else "stages"
    counts = " + ".join(map(_count, point.stages))
    return f"{len(point.stages)} {noun}: {counts} operators"


def _count(shape: StageShape) -> str:
    rows, columns = shape.tiles
    tiles = "" if shape.tiles == (1, 1) else f" ({rows}x{columns} tiles)"
    return f"{shape.operators}{tiles}"


def option_texts(report: Report) -> list[str]:
    """The options that decided the plan, as they are on the command line."""
    given = report.options
    texts = [f"--target {report.target}"]
    if given.get("sram") is not None:
        texts.append(f"--sram {given['sram']}")
    if given.get("minimize"):
        texts.append("--minimize sram")
    if given.get("stream_input"):
        texts.append("--stream-input")
    if given.get("pools") is not None:
        texts.append("--pools")
    if given.get("stages"):
        ranges = ",".join(f"{short(a)}..{short(b)}" for a, b in given["stages"])
        texts.append(f"--stages {ranges}")
    if not given.get("io_in_arena", True):
        texts.append("--no-io-in-arena")
    if not given.get("fold_edges", True):
        texts.append("--float-io")
    return texts
