"""Documents that scripts/docs makes from the code."""

from __future__ import annotations

from itertools import pairwise

import pytest
from pages import __main__ as command
from pages import documents, passes_reference
from pages.docstring import parse
from pages.layered import best_drawing
from pages.rooms import imported_rooms, rooms, without_implied

from tvm_tiny import transform


@pytest.mark.parametrize("name", documents.DOCUMENTS)
def test_document_is_current(name):
    assert documents.is_current(name), "run scripts/docs"


@pytest.mark.parametrize("name", transform.__all__)
def test_docstring_of_a_public_pass_is_complete(name):
    entry = passes_reference.entry(name)
    assert [heading.split()[0].rstrip(",:") for heading, _ in entry.doc.sketches][:1] == ["Before"]
    headings = " ".join(entry.doc.statements)
    assert all(word in headings for word in ("Requires", "Ensures", "Does nothing"))
    assert [option.name for option in entry.options if not option.text] == []


def test_docstring_in_parts():
    doc = parse(
        "Swap a and b.\n\nBefore::\n\n    f(a,\n      b)\n\nAfter, if so::\n\n    f(b, a)\n\n"
        "It is cheap. depth: how\nfar. left, right: an end; see `f`.\n\n"
        "Requires: two\nof them.\nDoes nothing when: never.",
        ["depth", "left", "right"],
    )
    assert doc.summary == "Swap a and b."
    assert doc.sketches == [("Before", "f(a,\n  b)"), ("After, if so", "f(b, a)")]
    assert doc.prose == ["It is cheap."]
    assert doc.options == {
        "depth": "how far.",
        "left": "an end; see `f`.",
        "right": "an end; see `f`.",
    }
    assert doc.statements == {"Requires": "two of them.", "Does nothing when": "never."}


def test_check_names_a_stale_document_and_writing_mends_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(documents, "ROOT", tmp_path)
    monkeypatch.setattr(documents, "DOCUMENTS", {"page.md": lambda: "text\n"})
    assert command.main(["--check"]) == 1
    assert "stale: page.md" in capsys.readouterr().out
    assert command.main([]) == 0
    assert (tmp_path / "page.md").read_text() == "text\n"
    assert command.main(["--check"]) == 0


def test_edges_that_follow_from_others_are_left_out():
    edges = {"a": {"b", "c", "d"}, "b": {"c"}, "c": {"d"}, "d": set()}
    assert without_implied(edges) == {"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": set()}


def test_boxes_do_not_overlap_and_arrows_lead_down():
    graph = best_drawing(without_implied(imported_rooms()))
    for row in graph.rows:
        places = sorted(graph.x[point] for point in row if isinstance(point, str))
        assert all(right - left > 0.999 for left, right in pairwise(places))
    assert all(graph.layer[a] > graph.layer[b] for a, b in graph.paths)
    assert set(graph.layer) == set(rooms())
