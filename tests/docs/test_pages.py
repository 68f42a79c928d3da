"""Pages of docs/ that are written by hand: links, and the glossary."""

import re

import pytest
from repository import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_pages_named_exist(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []
    folders = "|".join(("tvm_tiny", "passes", "schedules", "tests", "scripts", "examples"))
    paths = re.findall(rf"`((?:{folders})/[\w/.-]*(?:/|\.py|\.md))`", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_glossary_is_sorted_and_refers_to_its_own_entries():
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").split("\n\n", 2)[2]
    entries = re.findall(r"^\*\*(.+?)\.\*\*", text, re.MULTILINE)
    assert entries == sorted(entries, key=str.lower)
    named = {" ".join(n.lower().split()) for n in re.findall(r"(?<!\*)\*(\w[\w\s-]*)\*", text)}
    known = {entry.lower() for entry in entries}
    assert {name for name in named if {name, name.removesuffix("s")}.isdisjoint(known)} == set()
