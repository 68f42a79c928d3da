"""The first sentence of every docstring says in few words what the thing is or does."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages.rooms import modules, room_of, rooms
from repository import ROOT

MOST_WORDS = 15
# A sentence with such a beginning is about something that the reader has to find elsewhere.
OPENINGS = re.compile(r"(Of|The same|What|Who)\b")
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

# Rooms of docs/architecture.md that are checked; "scripts" is the folder of that name.
ROOMS = (
    "aot",
    "archive",
    "base",
    "checker",
    "cli",
    "demo",
    "front",
    "frontend",
    "lowering",
    "micro",
    "operators",
    "passes",
    "planning",
    "reference",
    "report",
    "runtime_c",
    "schedules",
    "scripts",
    "tuning",
)


def files(room: str) -> list[Path]:
    """The Python files of a room."""
    if room == "scripts":
        return sorted((ROOT / "scripts").rglob("*.py"))
    return [path for path, module in modules() if room_of(module) == room]


def first_sentences(source: str) -> Iterator[tuple[int, str]]:
    """Line and first sentence of each docstring of modules, classes and functions."""
    for node in ast.walk(ast.parse(source)):
        text = ast.get_docstring(node) if isinstance(node, DOCUMENTED) else None
        if text:
            yield getattr(node, "lineno", 1), re.split(r"(?<=\.)\s", " ".join(text.split()))[0]


def faults(source: str) -> Iterator[tuple[int, str]]:
    """Those of the first sentences that are too long or begin with a word of `OPENINGS`."""
    for line, sentence in first_sentences(source):
        if len(sentence.split()) > MOST_WORDS or OPENINGS.match(sentence):
            yield line, sentence


@pytest.mark.parametrize("room", ROOMS)
def test_first_sentences_are_short_and_name_the_thing(room):
    assert room == "scripts" or room in rooms()
    found = [
        f"{path.relative_to(ROOT)}:{line}: {sentence}"
        for path in files(room)
        for line, sentence in faults(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("docstring", "right"),
    [
        ("A queue of events. Of these, the rest of the docstring may say anything.", True),
        ("Offset of a tensor.", True),
        ("Of a tensor, its offset.", False),
        ("The same for two.", False),
        ("What a kernel reads.", False),
        (" ".join(["word"] * 15) + ". And more.", True),
        (" ".join(["word"] * 16) + ".", False),
    ],
)
def test_rule(docstring, right):
    assert (list(faults(f'def f():\n    """{docstring}"""\n')) == []) == right
