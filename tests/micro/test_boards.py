from __future__ import annotations

from itertools import pairwise

import pytest

from tvm_tiny.errors import DataError
from tvm_tiny.micro import BOARDS, TARGETS, find_board, find_target


def test_tables_are_keyed_by_name_and_cannot_be_changed():
    assert {name: board.name for name, board in BOARDS.items()} == {n: n for n in BOARDS}
    assert {name: target.name for name, target in TARGETS.items()} == {n: n for n in TARGETS}
    with pytest.raises(TypeError):
        BOARDS["x"] = BOARDS["host"]  # type: ignore[index]


def test_every_target_has_a_board():
    assert {board.target.name for board in BOARDS.values()} == set(TARGETS)


def test_memory_regions_do_not_overlap():
    for board in BOARDS.values():
        if board.machine is None:
            continue
        regions = [board.machine.flash, board.machine.ram, board.machine.vectors]
        spans = sorted((r.origin, r.origin + r.size) for r in regions if r is not None)
        for (_, end), (start, _) in pairwise(spans):
            assert end <= start, board.name


def test_unknown_board_suggests_the_nearest():
    with pytest.raises(DataError, match=r"unknown board 'mps2-an386': did you mean 'mps2_an386'"):
        find_board("mps2-an386")


def test_unknown_target_lists_all():
    with pytest.raises(DataError, match=r"unknown target 'zzz': \(known: cortex-m0, .*host\)"):
        find_target("zzz")
