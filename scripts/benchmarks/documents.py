"""The tables of README.md and docs/benchmarks.md, between markers, in text written by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from .cases import ROOT
from .records import Figures
from .tables import summary, tables

DOCUMENTS = (ROOT / "README.md", ROOT / "docs" / "benchmarks.md")
_BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.S)


def with_tables(text: str, tools: Mapping[str, str], figures: Figures) -> str:
    """The document with new text between `<!-- figures: NAME -->` and `<!-- end -->`.

    NAME is the name of a table, or "tools". A table without figures becomes empty.
    """
    blocks = {table.name: table.markdown() for table in (summary(figures), *tables(figures))}
    blocks["tools"] = "".join(f"* {version}\n" for version in dict.fromkeys(tools.values()))

    def renewed(match: re.Match[str]) -> str:
        return f"{match[1]}{blocks.get(match[2], '')}{match[3]}"

    return _BLOCK.sub(renewed, text)


def update(tools: Mapping[str, str], figures: Figures, paths: Sequence[Path] = DOCUMENTS) -> None:
    """Renew the tables of the documents."""
    for path in paths:
        text = path.read_text(encoding="utf-8")
        path.write_text(with_tables(text, tools, figures), encoding="utf-8")
