"""Names of boards: those of a tree, of earlier and of later trees, and of none."""

from __future__ import annotations

import pytest

from tvm_tiny.errors import DataError
from tvm_tiny.micro.zephyr import find_zephyr_board
from tvm_tiny.micro.zephyr.boards import read_boards

EARLIER = ["mps2_an385", "mps2_an521", "mps2_an521_ns", "mps2_an521_remote", "mps3_an547"]
LATER = [
    "mps2/an385",
    "mps2/an521/cpu0",
    "mps2/an521/cpu0/ns",
    "mps2/an521/cpu1",
    "mps3/corstone300/an547",
    "mps3/corstone300/an547/ns",
    "qemu_cortex_m3/ti_lm3s6965",
    "hifive1/fe310",
]


def write_tree(folder, names, deprecated=""):
    """Only what is read of a tree: twister's file of each board, and the table of old names."""
    for name in names:
        flat = name.replace("/", "_")
        path = folder / "boards" / "arm" / name.partition("/")[0] / f"{flat}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"identifier: {name}\nname: A board\ntype: mcu\narch: arm\nram: 64\n")
        if "/" in name:
            (path.parent / "board.yml").write_text("board:\n  name: x\n")
        (path.parent / f"{flat}_defconfig").write_text("CONFIG_SERIAL=y\n")
    (folder / "boards" / "deprecated.cmake").write_text(deprecated)
    return folder


@pytest.fixture
def earlier(tmp_path):
    return write_tree(
        tmp_path, [*EARLIER, "qemu_cortex_m3"], "set(old_name_DEPRECATED mps2_an385)\n"
    )


@pytest.fixture
def later(tmp_path):
    table = "set(mps2_an521_DEPRECATED\n    mps2/an521/cpu0\n)\n"
    return write_tree(tmp_path, LATER, table)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("mps2_an385", "mps2_an385"),
        ("mps2/an385", "mps2_an385"),
        ("mps2/an521/cpu0", "mps2_an521"),
        ("mps2/an521/cpu0/ns", "mps2_an521_ns"),
        ("mps3/corstone300/an547", "mps3_an547"),
        ("qemu_cortex_m3/ti_lm3s6965", "qemu_cortex_m3"),
        ("mps2_an385@1.0", "mps2_an385@1.0"),
        ("old_name", "mps2_an385"),
    ],
)
def test_earlier_trees_know_names_of_later_ones(earlier, asked, found):
    assert find_zephyr_board(earlier, asked).name == found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("mps2/an385", "mps2/an385"),
        ("mps2_an385", "mps2/an385"),
        ("mps2_an521", "mps2/an521/cpu0"),
        ("mps3_an547", "mps3/corstone300/an547"),
        ("mps3/an547", "mps3/corstone300/an547"),
        ("qemu_cortex_m3", "qemu_cortex_m3/ti_lm3s6965"),
    ],
)
def test_later_trees_know_names_of_earlier_ones(later, asked, found):
    board = find_zephyr_board(later, asked)
    assert (board.name, board.arch) == (found, "arm")


@pytest.mark.parametrize(
    ("asked", "suggested"),
    [
        ("mps2_an384", "mps2_an385"),
        ("mps2/an521/cpu1", "mps2_an521"),  # another core is another board
        ("mps2", "mps2_an385"),  # which one?
        ("qemu_cortex_m4", "qemu_cortex_m3"),
    ],
)
def test_a_name_of_no_one_board_is_refused_with_a_suggestion(earlier, asked, suggested):
    with pytest.raises(DataError, match=f"unknown Zephyr board '{asked}'") as raised:
        find_zephyr_board(earlier, asked)
    assert f"'{suggested}'" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_name_like_no_other_is_said_to_be(earlier):
    with pytest.raises(DataError, match="none of the 6 boards has a similar name"):
        find_zephyr_board(earlier, "zzzzzz")


def test_boards_without_a_file_of_twister_count_in_earlier_trees(earlier):
    (earlier / "boards" / "arm" / "x").mkdir()
    (earlier / "boards" / "arm" / "x" / "lonely_board_defconfig").write_text("")
    assert read_boards(earlier)["lonely_board"].arch == ""


def test_variants_in_a_file_of_twister_are_boards(later):
    path = later / "boards" / "arm" / "mps2" / "mps2_an385.yaml"
    path.write_text(
        "identifier: mps2/an385\narch: arm\nvariants:\n  mps2/an385/fast:\n    ram: 1\n"
    )
    assert read_boards(later)["mps2/an385/fast"].arch == "arm"


def test_boards_of_the_real_tree_are_read(tree):
    boards = read_boards(tree.base)
    assert len(boards) > 200
    assert find_zephyr_board(tree.base, "mps2_an385").arch == "arm"
    assert find_zephyr_board(tree.base, "mps2/an385").arch == "arm"
