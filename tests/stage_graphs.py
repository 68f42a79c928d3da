"""Random stages of operators of the usual kinds, as what they touch: no kernels, no TVM."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from byte_trace import OUT, Touch
from hypothesis import strategies as st

from tvm_tiny.lowering.graph import Graph, Step, Storage
from tvm_tiny.lowering.graph import Operator as Placed
from tvm_tiny.schedules.access.analysis import NEVER
from tvm_tiny.schedules.stages.line_buffers import fit_line_buffers, in_place, share, with_skews
from tvm_tiny.schedules.stages.stage import Operator, Rows, Stage

Size = tuple[int, int]  # rows, bytes of a row


@dataclass(frozen=True)
class Made:
    """An operator of tensors by number, and what each of its events touches, in order."""

    operator: Operator
    touches: tuple[tuple[Touch, ...], ...]


def operator(
    operands: Sequence[int], result: int, sizes: Mapping[int, Size], events: list[list[Touch]]
) -> Made:
    """What a stage says of an operator that touches these bytes."""
    row = {k: sizes[t][1] for k, t in enumerate(operands)} | {OUT: sizes[result][1]}
    reads = tuple(_rows(events, "r", k, row[k]) for k in range(len(operands)))
    writes = _rows(events, "w", OUT, row[OUT])
    assert writes is not None
    within = tuple(
        None if reads[k] is None else tuple(_gap(event, k) for event in events)
        for k in range(len(operands))
    )
    own = any(mode == "r" and k == OUT for event in events for mode, k, _ in event)
    name = f"t{result}"
    made = Operator("f", "f", name, 0, tuple(operands), result, reads, writes, within, own)
    return Made(made, tuple(map(tuple, events)))


def _rows(events: list[list[Touch]], mode: str, position: int, row_bytes: int) -> Rows | None:
    spans = []
    for event in events:
        touched = {byte // row_bytes for m, k, byte in event if (m, k) == (mode, position)}
        spans.append((min(touched), max(touched) + 1) if touched else (0, 0))
    if not any(end for _, end in spans):
        return None
    return Rows(tuple(s for s, _ in spans), tuple(e for _, e in spans))


def _gap(event: list[Touch], position: int) -> int:
    """The largest (end of a write - start of a later read of the operand)."""
    gap, written = NEVER, None
    for mode, k, byte in event:
        if mode == "w":
            written = byte + 1 if written is None else max(written, byte + 1)
        elif k == position and written is not None:
            gap = max(gap, written - byte)
    return gap


def pointwise(operands: Sequence[int], result: int, sizes: Mapping[int, Size]) -> Made:
    """Byte by byte, with wider or narrower results."""
    rows, width = sizes[result]
    events: list[list[Touch]] = []
    for row in range(rows):
        events.append([])
        for byte in range(width):
            for k, tensor in enumerate(operands):
                source = sizes[tensor][1]
                events[-1].append(("r", k, row * source + byte * source // width))
            events[-1].append(("w", OUT, row * width + byte))
    return operator(operands, result, sizes, events)


def window(
    source: int, result: int, sizes: Mapping[int, Size], reads: Sequence[range], gathers: bool
) -> Made:
    """Rows reads[e] for row e: all of them for each byte, or once before the first one."""
    width, of = sizes[result][1], sizes[source][1]
    events: list[list[Touch]] = []
    for row, span in enumerate(reads):
        taps: list[Touch] = [("r", 0, line * of + byte) for line in span for byte in range(of)]
        writes: list[Touch] = [("w", OUT, row * width + byte) for byte in range(width)]
        events.append(taps + writes if gathers else [t for w in writes for t in (*taps, w)])
    return operator([source], result, sizes, events)


def sums(source: int, result: int, sizes: Mapping[int, Size]) -> Made:
    """One row to which every row of the input is added."""
    rows, width = sizes[source]
    events: list[list[Touch]] = []
    for row in range(rows):
        events.append([])
        for byte in range(width):
            events[-1] += [("r", OUT, byte)] if row else []
            events[-1] += [("r", 0, row * width + byte), ("w", OUT, byte)]
    return operator([source], result, sizes, events)


def joined(operands: Sequence[int], result: int, sizes: Mapping[int, Size]) -> Made:
    """Tensors below each other."""
    width = sizes[result][1]
    events: list[list[Touch]] = []
    for k, tensor in enumerate(operands):
        for row in range(sizes[tensor][0]):
            start = len(events) * width
            events.append([])
            for byte in range(width):
                events[-1] += [("r", k, row * width + byte), ("w", OUT, start + byte)]
    return operator(operands, result, sizes, events)


@st.composite
def chains(draw, max_operators: int = 5):
    """(operators, sizes): operators of tensors 0, 1, ...; each makes the next tensor."""
    sizes = {0: (draw(st.integers(1, 8)), draw(st.integers(1, 4)))}
    made: list[Made] = []
    while len(made) < max_operators and (not made or draw(st.integers(0, 3))):
        # Mostly on from the newest tensor: chains with now and then a branch.
        source = draw(st.sampled_from([len(sizes) - 1, len(sizes) - 1, *sizes]))
        branches = draw(st.integers(0, 3)) == 0 and len(made) + 4 <= max_operators
        made += draw(_shortcut(source, sizes) if branches else _next(source, sizes))
    return made, sizes


@st.composite
def _shortcut(draw, source: int, sizes: dict[int, Size]):
    """A sum of two ways from one tensor; sizes gets what they make."""
    rows, width = sizes[source]
    wide = draw(st.integers(1, 4))
    near = [range(max(r - 1, 0), min(r + 2, rows)) for r in range(rows)]
    first = len(sizes)
    sizes |= {first + k: (rows, n) for k, n in enumerate([wide, width, wide, wide])}
    return [
        pointwise([source], first, sizes),
        window(source, first + 1, sizes, near, False),
        window(first + 1, first + 2, sizes, near, False),
        pointwise([first + 2, first], first + 3, sizes),
    ]


@st.composite
def _next(draw, source: int, sizes: dict[int, Size]):
    rows, width = sizes[source]
    result = len(sizes)
    same = [t for t, size in sizes.items() if size == (rows, width)]
    kind = draw(st.sampled_from(["window", "pointwise", "pair", "resize", "sums", "joined"]))
    if kind == "window":
        size, stride, pad = (
            draw(st.integers(1, 4)),
            draw(st.integers(1, 3)),
            draw(st.integers(0, 1)),
        )
        count = max((rows + 2 * pad - size) // stride + 1, 1)
        spans = [
            range(max(e * stride - pad, 0), min(e * stride - pad + size, rows))
            for e in range(count)
        ]
        sizes[result] = (count, draw(st.integers(1, 4)))
        return [window(source, result, sizes, spans, draw(st.booleans()))]
    if kind == "resize":
        factor, first = draw(st.integers(1, 3)), draw(st.integers(0, rows - 1))
        sizes[result] = ((rows - first) * factor, width)
        spans = [
            range(first + e // factor, first + e // factor + 1) for e in range(sizes[result][0])
        ]
        return [window(source, result, sizes, spans, False)]
    if kind == "sums":
        sizes[result] = (1, width)
        return [sums(source, result, sizes)]
    other = draw(st.sampled_from(same))
    if kind == "joined":
        sizes[result] = (2 * rows, width)
        return [joined([source, other], result, sizes)]
    operands = [source] if kind == "pointwise" else [source, other]
    sizes[result] = (rows, width if kind == "pair" else draw(st.integers(1, 4)))
    return [pointwise(operands, result, sizes)]


@dataclass(frozen=True)
class Model:
    """A graph of these operators, and what its events touch."""

    graph: Graph
    made: tuple[tuple[Made, ...], ...]

    def touches(self, step: Step, k: int, event: int) -> tuple[Touch, ...]:
        """For `byte_trace.trace`."""
        return self.made[step.index][k].touches[event]


def model(made: Sequence[Made], sizes: Mapping[int, Size], cuts: Sequence[int]) -> Model:
    """Stages of the operators between `cuts`; what nobody reads is an output."""
    bounds = [0, *cuts, len(made)]
    parts = [made[a:b] for a, b in itertools.pairwise(bounds)]
    read = {t: k for k, m in enumerate(made) for t in m.operator.operands}
    storage = [
        Storage(t, f"t{t}", (rows, width), "int8", 0, 0, rows=rows)
        for t, (rows, width) in sizes.items()
    ]
    graph = Graph(storage, [], [0], [t for t in sizes if t not in read])
    start = 0
    for part in parts:
        start += len(part)
        inside = [m.operator.result for m in part if read.get(m.operator.result, start) < start]
        graph.steps.append(_step(graph, [m.operator for m in part], sizes, inside))
    return Model(graph, tuple(tuple(part) for part in parts))


def _step(
    graph: Graph, operators: Sequence[Operator], sizes: Mapping[int, Size], inside: list[int]
) -> Step:
    shared = in_place(operators, sizes, inside)
    operators = share(operators, shared)
    line_buffers = {t: sizes[t][1] for t in inside if t not in shared}
    stage = fit_line_buffers(
        Stage(tuple(operators), {t: s[0] for t, s in sizes.items()}, {}), line_buffers
    )
    for tensor, rows in stage.line_buffers.items():
        graph.storage[tensor].shape = (rows, sizes[tensor][1])
    placed = tuple(Placed(o.operands, o.result, o.tensor, o) for o in operators)
    used = {t for o in operators for t in (*o.operands, o.result)}
    results = tuple(sorted({o.result for o in operators}))
    return Step(len(graph.steps), "f", "f", 0, tuple(sorted(used)), results, "s", placed, stage)


def skewed(made: Model) -> Model:
    """The same with tensors that climb, wherever one can."""
    storage = [replace(s) for s in made.graph.storage]
    steps = []
    for step in made.graph.steps:
        assert step.stage is not None
        # As if each byte were a word: bytes need not be aligned.
        stage = with_skews(step.stage, {s.index: 8 * s.row_bytes for s in storage})
        for tensor, words in stage.skews.items():
            storage[tensor].skew = words // 8
        steps.append(replace(step, stage=stage))
    return replace(made, graph=replace(made.graph, storage=storage, steps=steps))


@st.composite
def models(draw, max_operators: int = 5, layers: bool | None = None):
    """A chain cut into stages, into layers, or as one of them."""
    made, sizes = draw(chains(max_operators))
    places = range(1, len(made))
    if layers is None:
        cuts = sorted(draw(st.sets(st.sampled_from(places)))) if places else []
    else:
        cuts = list(places) if layers else []
    return model(made, sizes, cuts)
