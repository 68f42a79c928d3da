"""Renders a report as one HTML page that needs no network and no other file."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import jinja2
from markupsafe import Markup

from tvm_tiny._version import __version__

from . import block_words, chart, noise, words
from .data import Report
from .entries import report_entries


def render_page(report: Report) -> str:
    """The page. Equal reports give equal bytes."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tvm_tiny", "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = "{:,}".format
    environment.filters["clean"] = words.clean
    environment.filters["short"] = words.short
    environment.filters["shape"] = block_words.shape
    script = environment.get_template("report.js.j2").render()
    context = {**_context(report), "script": Markup(script), "script_hash": _hash(script)}
    return environment.get_template("report.html.j2").render(context)


def _context(report: Report) -> dict[str, Any]:
    largest = max(plan.arena_bytes for plan in report.plans)
    return {
        "report": report,
        "plan": report.chosen,
        "largest": largest,
        "kinds": {block.kind for plan in report.plans for block in plan.blocks},
        "saved_percent": round(100 * (1 - report.chosen.arena_bytes / largest)),
        "document": report_entries(report),
        "words": words,
        "blocks": block_words,
        "chart": chart,
        "noise": noise,
        "version": __version__,
    }


def _hash(script: str) -> str:
    """Hash of the page's script: its Content-Security-Policy forbids all other scripts."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
