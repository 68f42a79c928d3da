"""The page as text: nothing from outside, nothing harmful, the same every time."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import hostile
import pytest
from modelgen.inverted_residual import inverted_residual

from tvm_tiny.frontend.quality import Accuracy, LayerError, Quality
from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.report import words
from tvm_tiny.report.entries import report_entries
from tvm_tiny.report.page import render_page

# Attributes by which a page loads or runs something.
LOADING = {"src", "href", "srcset", "action", "formaction", "data", "poster", "xlink:href"}
VOID = {"meta", "link", "img", "input", "br", "hr", "base", "embed", "source"}


class Page(HTMLParser):
    """Elements, attributes and texts; fails where tags are not nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open:
            self.texts.setdefault(self._open[-1], []).append(data)


@pytest.fixture(scope="module")
def report(report_on):
    return report_on(front=True, minimize=True, stream_input=True)


@pytest.fixture(scope="module")
def hostile_page(report_on):
    mod = from_tflite(inverted_residual(hostile.Renamer()))
    return render_page(report_on(mod=mod, front=True, minimize=True))


def test_it_needs_nothing_from_outside(report):
    text = render_page(report)
    for _, attributes in Page(text).elements:
        assert not LOADING & set(attributes)
    assert not re.search(r"https?:|url\(|@import", text)
    assert "default-src 'none'" in text


def test_equal_reports_give_equal_pages(report, report_on):
    again = report_on(front=True, minimize=True, stream_input=True)
    assert render_page(again) == render_page(report)


def test_its_numbers_are_embedded(report):
    (embedded, _) = Page(render_page(report)).texts["script"]
    assert json.loads(embedded) == json.loads(json.dumps(report_entries(report)))


def test_every_tensor_has_a_text(report):
    page = Page(render_page(report))
    blocks = [a for tag, a in page.elements if tag == "g" and a.get("role") == "img"]
    assert len(blocks) == sum(bool(b.runs) for plan in report.plans for b in plan.blocks)
    assert all(a["aria-label"] and a["tabindex"] == "0" for a in blocks)


def test_names_of_tensors_are_only_text(hostile_page):
    page = Page(hostile_page)
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 2
    assert "img" not in tags
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)
    shown = "".join(page.texts["title"])
    assert all(name in shown for name in hostile.NAMES[:4])
    assert "49" not in "".join(page.texts["text"])


def test_names_keep_their_place_in_the_numbers(hostile_page):
    (embedded, _) = Page(hostile_page).texts["script"]
    plans = json.loads(embedded)["plans"]
    assert hostile.SCRIPT in {block["name"] for block in plans[-1]["blocks"]}


def test_what_steers_terminals_is_replaced():
    assert words.clean("a\x1b[31mb\N{RIGHT-TO-LEFT OVERRIDE}c\ud800") == "a\ufffd[31mb\ufffdc\ufffd"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plain", "plain"),
        ("a/Relu;a/BiasAdd", "a/Relu;\N{HORIZONTAL ELLIPSIS}"),
        ("x" * 50, "\N{HORIZONTAL ELLIPSIS}" + "x" * 43),
    ],
)
def test_long_names_are_cut(name, text):
    assert words.short(name) == text


def test_the_error_of_each_layer_is_a_bar(report):
    layers = [LayerError(f"layer {i}", "Conv", 20.0 + i) for i in range(8)]
    layers.append(LayerError("<b>", "", None))
    quality = Quality("minmax", 4, tuple(layers), Accuracy(0.9, 0.85))
    text = render_page(replace(report, quality=quality))
    assert text.count('class="worst"') == 5
    assert text.count(" dB: layer") == 8
    assert "<b>" not in text
    assert "85.0 %" in text
    assert "Calibration" not in render_page(report)
