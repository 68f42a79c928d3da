"""Finds boards of a Zephyr tree, by the names of that tree or of another.

Zephyr 3.7 (hardware model v2) writes `mps2/an521/cpu0` where earlier trees write `mps2_an521`.
The names are read from the tree: boards/**/<board>.yaml, and <board>_defconfig in earlier trees.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tvm_tiny.errors import DataError
from tvm_tiny.text import similar_names

#: Fields of a board's yaml file, which Zephyr's test runner twister reads.
_FIELD = re.compile(r"^(identifier|arch|ram|flash):\s*['\"]?([\w./@-]+)", re.MULTILINE)
#: Further boards of a yaml file: the keys of its map of variants.
_VARIANT = re.compile(r"^ +([\w.-]+(?:/[\w.-]+)+):\s*$", re.MULTILINE)
_DEPRECATED = re.compile(r"^\s*set\(\s*(\S+)_DEPRECATED\s+([^\s)]+)\s*\)", re.MULTILINE)
#: The qualifier of a processor other than the one that starts first.
_OTHER_CORE = re.compile(r"cpu[1-9][0-9]*")


@dataclass(frozen=True)
class ZephyrBoard:
    """A board of a Zephyr tree. name: as in that tree; arch: "" if the tree does not name it."""

    name: str
    arch: str = ""


def read_boards(base: Path) -> dict[str, ZephyrBoard]:
    """All boards of a tree by name, sorted."""
    found: dict[str, ZephyrBoard] = {}
    for path in sorted(base.glob("boards/**/*.yaml")):
        text = path.read_text(encoding="utf-8", errors="replace")
        fields = dict(_FIELD.findall(text))
        if "identifier" in fields:
            for name in (fields["identifier"], *_VARIANT.findall(text)):
                found[name] = ZephyrBoard(name, fields.get("arch", ""))
    for name in _names_without_yaml(base):
        found.setdefault(name, ZephyrBoard(name))
    return dict(sorted(found.items()))


def _names_without_yaml(base: Path) -> Iterable[str]:
    """Boards of earlier trees that have no yaml file."""
    for path in sorted(base.glob("boards/**/*_defconfig")):
        if not (path.parent / "board.yml").exists():
            yield path.name.removesuffix("_defconfig")


def find_zephyr_board(base: Path, name: str) -> ZephyrBoard:
    """The board of a name from this tree, or from an earlier or later one.

    base  a Zephyr tree
    name  with or without @revision, which is kept

    Raises DataError, with a suggestion, for a name that no board or more than one could have.
    """
    plain, at, revision = name.partition("@")
    known = read_boards(base)
    found = known.get(_renamed(base, plain)) or _same_board(known, plain)
    if found is None:
        raise DataError(f"unknown Zephyr board {name!r}: {_suggestion(known, plain)} (tree {base})")
    return ZephyrBoard(f"{found.name}{at}{revision}", found.arch)


def _renamed(base: Path, name: str) -> str:
    """The new name of a board in the tree's table of renamed boards, else `name`."""
    path = base / "boards" / "deprecated.cmake"
    if not path.is_file():
        return name
    table: dict[str, str] = dict(_DEPRECATED.findall(path.read_text(encoding="utf-8")))
    return table.get(name, name)


def _same_board(known: Mapping[str, ZephyrBoard], name: str) -> ZephyrBoard | None:
    """The only board whose name has the same parts, up to separators and omitted parts."""
    wanted = _parts(name)
    shorter = [board for board in known.values() if _leaves_out(wanted, _parts(board.name))]
    longer = [board for board in known.values() if _leaves_out(_parts(board.name), wanted)]
    for candidates, best in ((shorter, max), (longer, min)):
        if candidates:
            length = best(len(_parts(board.name)) for board in candidates)
            closest = [board for board in candidates if len(_parts(board.name)) == length]
            return closest[0] if len(closest) == 1 else None
    return None


def _parts(name: str) -> list[str]:
    return re.split(r"[/_]", name)


def _leaves_out(full: list[str], short: list[str]) -> bool:
    """Whether `short` is `full` without qualifiers that may be omitted.

    Qualifiers that choose another core or the non-secure side may not.
    """
    rest = iter(full)
    if full[0] != short[0] or len(short) < min(2, len(full)) or not all(p in rest for p in short):
        return False
    return not any(p == "ns" or _OTHER_CORE.fullmatch(p) for p in set(full) - set(short))


def _suggestion(known: Mapping[str, ZephyrBoard], name: str) -> str:
    same = [board for board in known if _parts(board)[0] == _parts(name)[0]]
    close = similar_names(name, known, 3, cutoff=0.5)
    names = list(dict.fromkeys([*close, *same]))[:4]
    if not names:
        return f"none of the {len(known)} boards has a similar name"
    return f"did you mean {' or '.join(repr(n) for n in names)}?"
