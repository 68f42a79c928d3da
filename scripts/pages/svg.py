"""Parts of SVG pictures: boxes with text and the arrows between them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

INK, LINE = "#1f2d3d", "#5b6b80"
#: Colours for fill and border: neutral, for files and devices, for IR, for checks.
GREY, GREEN, BLUE, AMBER = (
    ("#f4f6f8", "#8a97a8"),
    ("#eef5ea", "#6f9a5b"),
    ("#e8f0fa", "#4f7fb8"),
    ("#fdf3e1", "#b8863b"),
)
_ARROW = (
    '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    f'orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="{LINE}"/></marker></defs>'
)


@dataclass(frozen=True)
class Box:
    """A box with a title and lines of small text. x, y: upper left corner."""

    x: float
    y: float
    width: float
    height: float
    title: str
    lines: Sequence[str] = ()
    colours: tuple[str, str] = BLUE

    @property
    def centre(self) -> float:
        """Horizontal centre of the box."""
        return self.x + self.width / 2

    def svg(self) -> str:
        """The rectangle with its text in the middle, as SVG."""
        fill, border = self.colours
        top = self.y + (self.height - 20 - 17 * len(self.lines)) / 2 + 16
        texts = [text(self.centre, top, self.title, 16, bold=True)]
        texts += [
            text(self.centre, top + 19 + 17 * k, line, 12) for k, line in enumerate(self.lines)
        ]
        return (
            f'<rect x="{self.x:g}" y="{self.y:g}" width="{self.width:g}" height="{self.height:g}" '
            f'rx="8" fill="{fill}" stroke="{border}"/>\n' + "\n".join(texts)
        )


def text(
    x: float, y: float, words: str, size: int, *, bold: bool = False, anchor: str = "middle"
) -> str:
    """One line of text whose baseline is at y."""
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}"{weight} '
        f'fill="{INK}">{escape(words)}</text>'
    )


def arrow(path: str, *, dashed: bool = False) -> str:
    """An arrow along an SVG path."""
    dashes = ' stroke-dasharray="4 3"' if dashed else ""
    return (
        f'<path d="{path}" fill="none" stroke="{LINE}" stroke-width="1.6"{dashes} '
        'marker-end="url(#a)"/>'
    )


def wrap(words: str, width: int) -> list[str]:
    """A text in lines of at most `width` characters."""
    return textwrap.wrap(words, width, break_long_words=False)


def picture(width: float, height: float, label: str, parts: Sequence[str]) -> str:
    """A whole SVG file. label: a description for readers who cannot see the picture."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'font-family="Helvetica, Arial, sans-serif" role="img" aria-label="{escape(label)}">'
    )
    ground = f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>'
    return "\n".join([head, ground, _ARROW, *parts, "</svg>", ""])
