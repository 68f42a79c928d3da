"""Splits a pass's docstring into its conventional sections.

A docstring begins with a summary, shows the IR `Before::` and `After::`, and states `Requires:`,
`Ensures:`, `Does nothing when:` and `Raises:`. The rest is prose, in which sentences that begin
with `option:` or `option, option:` describe options.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_STATEMENTS = ("Requires", "Ensures", "Does nothing", "Raises")


@dataclass
class Docstring:
    """The sections of a docstring. sketches: pairs of heading and code."""

    summary: str
    sketches: list[tuple[str, str]] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)
    statements: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)


def parse(text: str, options: Sequence[str]) -> Docstring:
    """The sections of a cleaned docstring (`inspect.getdoc`) of a pass with these options."""
    summary, *paragraphs = re.split(r"\n\n(?=\S)", text)
    found = Docstring(_joined(summary))
    for paragraph in paragraphs:
        if "::\n\n" in paragraph:
            heading, code = paragraph.split("::\n\n", 1)
            found.sketches.append((heading, re.sub(r"^ {4}", "", code, flags=re.MULTILINE)))
        elif paragraph.startswith(_STATEMENTS):
            found.statements |= _statements(paragraph)
        else:
            prose, described = _split_options(_joined(paragraph), options)
            found.options |= described
            found.prose += [prose] if prose else []
    return found


def _joined(paragraph: str) -> str:
    """A paragraph as one line."""
    return " ".join(line.strip() for line in paragraph.splitlines())


def _statements(paragraph: str) -> dict[str, str]:
    """Statements by heading; each begins on a new line."""
    begins = "|".join(_STATEMENTS)
    parts = re.split(rf"^(?=(?:{begins})\b[^:\n]*:)", paragraph, flags=re.MULTILINE)
    pairs = (part.split(":", 1) for part in parts if part)
    return {heading: _joined(text).strip() for heading, text in pairs}


def _split_options(line: str, options: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The prose before the first description of an option, and the descriptions."""
    if not options:
        return line, {}
    name = rf"(?:{'|'.join(options)})"
    prose, *parts = re.split(rf"(?:(?<=[.;] )|^)({name}(?:, {name})*): ", line)
    described: dict[str, str] = {}
    for names, text in zip(parts[::2], parts[1::2], strict=True):
        described |= dict.fromkeys(names.split(", "), text.strip().rstrip(";"))
    return prose.strip(), described
