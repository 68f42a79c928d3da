"""Tables of our figures beside other engines'; a ratio is ours / theirs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from rich import box
from rich.table import Table as RichTable

from .cases import (
    BOARD_TITLES,
    DIGITS,
    DIGITS_MODEL,
    FORMS,
    LAYERS,
    LEAST,
    MODELS,
    PORTABLE,
    Case,
    Model,
)
from .measure import Figure
from .peers import TFLM, TINY_ENGINE
from .records import Figures, against_portable

#: Boards on which TFLite Micro was measured.
_PEER_BOARDS = ("mps2_an386", "mps2_an500", "mps3_an547")
_PLAIN_BOARDS = ("mps2_an385", "riscv32")
_M4 = "mps2_an386"


@dataclass(frozen=True)
class Table:
    """A table of texts. name: its marker; words: number of columns that are not numbers."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1

    def rich(self) -> RichTable:
        """The table for a terminal."""
        table = RichTable(title=self.title, title_justify="left", box=box.SIMPLE_HEAD)
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="left" if number < self.words else "right")
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """For a document."""
        rule = ["---"] * self.words + ["---:"] * (len(self.columns) - self.words)
        lines = [self.columns, rule, *self.rows]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def tables(figures: Figures, seconds: Mapping[Case, float] | None = None) -> list[Table]:
    """All tables that have rows. seconds: times for compiling, shown as a last column."""
    found = [_with_peer(board, figures) for board in _PEER_BOARDS]
    found += [_plain(board, figures) for board in _PLAIN_BOARDS]
    if seconds is not None:
        found = [_timed(table, seconds) for table in found]
    return [t for t in (*found, _tiny_engine(figures), _portable(figures)) if t.rows]


def summary(figures: Figures) -> Table:
    """The README's table: the least SRAM on a Cortex-M4, and what TFLite Micro takes."""
    columns = ("model", "instructions", "of TFLM + CMSIS-NN", "SRAM, bytes", "of TFLM + CMSIS-NN")
    rows = []
    for name, peer in TFLM.items():
        figure = figures.get(Case(name, _M4, LEAST))
        if figure is not None:
            count = percent(figure.instructions, peer.instructions[_M4])
            row = (MODELS[name].title, f"{figure.instructions:,}", count)
            rows.append((*row, f"{figure.arena:,}", percent(figure.arena, peer.arena)))
    return Table("summary", _title(_M4), columns, tuple(rows))


def percent(ours: int, theirs: int) -> str:
    """A share of another engine's figure."""
    return f"{100 * ours / theirs:.0f} %"


def _with_peer(board: str, figures: Figures) -> Table:
    flash = board == _M4
    columns = ["model", "form", "instructions", "a MAC", "TFLM", "ratio", "arena B", "ratio"]
    columns += ["flash B", *(["ratio"] if flash else []), "stack B"]
    rows = []
    for case, figure in _of_board(board, figures):
        peer = TFLM.get(case.model)
        count = peer.instructions[board] if peer else None
        row = [*_begin(case, figure), millions(count), ratio(figure.instructions, count)]
        row += [f"{figure.arena:,}", ratio(figure.arena, peer.arena if peer else None)]
        row.append(f"{figure.flash:,}")
        if flash:
            row.append(ratio(figure.flash, peer.flash if peer else None))
        rows.append((*row, f"{figure.stack:,}"))
    return Table(board, _title(board), tuple(columns), tuple(rows), words=2)


def _plain(board: str, figures: Figures) -> Table:
    columns = ("model", "form", "instructions", "a MAC", "arena B", "flash B", "stack B")
    rows = (
        (*_begin(case, f), f"{f.arena:,}", f"{f.flash:,}", f"{f.stack:,}")
        for case, f in _of_board(board, figures)
    )
    return Table(board, _title(board), columns, tuple(rows), words=2)


def _tiny_engine(figures: Figures) -> Table:
    counts = ("M4", "ratio", "M7", "ratio", "SRAM B", "ratio", "flash B", "ratio")
    columns = ("model", "mode", "its outputs", *counts)
    rows = []
    for peer in TINY_ENGINE:
        m4 = figures.get(Case(peer.model, _M4, LEAST if peer.least else LAYERS))
        m7 = figures.get(Case(peer.model, "mps2_an500", LEAST if peer.least else LAYERS))
        if m4 is None and m7 is None:
            continue
        row = [MODELS[peer.model].title, peer.mode, peer.outputs]
        for board, figure in ((_M4, m4), ("mps2_an500", m7)):
            count = peer.instructions[board]
            row += [millions(count), ratio(figure.instructions if figure else None, count)]
        row += [f"{peer.sram:,}", ratio(m4.arena if m4 else None, peer.sram)]
        rows.append((*row, f"{peer.flash:,}", ratio(m4.flash if m4 else None, peer.flash)))
    return Table("tinyengine", "against TinyEngine", columns, tuple(rows), words=3)


def _portable(figures: Figures) -> Table:
    columns = ("model", "board", "portable kernels", "default (plain)", "ratio")
    rows = []
    for case, share in against_portable(figures).items():
        portable = figures[replace(case, form=PORTABLE)].instructions
        counts = (f"{portable:,}", f"{figures[case].instructions:,}", f"{share:.3f}")
        rows.append((_model(case).title, f"{case.board}, {BOARD_TITLES[case.board]}", *counts))
    return Table("portable", "against the portable kernels", columns, tuple(rows), words=2)


def _timed(table: Table, seconds: Mapping[Case, float]) -> Table:
    """A table with a column for compile times, which boards of the same kernels share."""
    names = {model.title: name for name, model in MODELS.items()}
    rows = tuple(
        (*row, f"{seconds[Case(names[row[0]], table.name, row[1])]:.1f}") for row in table.rows
    )
    return replace(table, columns=(*table.columns, "compile s"), rows=rows)


def _of_board(board: str, figures: Figures) -> Iterator[tuple[Case, Figure]]:
    """Cases of a board with their figures, by model and form."""
    for model in MODELS:
        for form in FORMS:
            case = Case(model, board, form)
            if form != PORTABLE and case in figures:
                yield case, figures[case]


def _begin(case: Case, figure: Figure) -> tuple[str, str, str, str]:
    model = _model(case)
    per_mac = figure.instructions / model.macs
    return model.title, case.form, f"{figure.instructions:,}", f"{per_mac:.2f}"


def _model(case: Case) -> Model:
    return DIGITS_MODEL if case.model == DIGITS else MODELS[case.model]


def _title(board: str) -> str:
    return f"{BOARD_TITLES[board]} ({board})"


def millions(count: int | None) -> str:
    """A peer's count in millions, with four digits."""
    return "" if count is None else f"{count / 1e6:.{3 if count < 10**7 else 2}f} M"


def ratio(ours: int | None, theirs: int | None) -> str:
    """Ours / theirs; "" where one of them is missing."""
    return "" if ours is None or theirs is None else f"{ours / theirs:.2f}"
