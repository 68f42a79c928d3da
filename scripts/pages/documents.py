"""The documents that scripts/docs generates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from . import one_convolution, passes_reference, pipeline_picture, rooms_picture

ROOT = Path(__file__).resolve().parents[2]

# Functions that generate the texts, by path in the repository.
DOCUMENTS: dict[str, Callable[[], str]] = {
    "docs/one-convolution.md": one_convolution.page,
    "docs/passes.md": passes_reference.page,
    "docs/pipeline.svg": pipeline_picture.picture,
    "docs/rooms.svg": rooms_picture.picture,
}


def is_current(name: str) -> bool:
    """Whether a file equals the text generated for it."""
    path = ROOT / name
    return path.is_file() and path.read_text(encoding="utf-8") == DOCUMENTS[name]()


def stale() -> dict[str, str]:
    """New texts of the documents whose files are not current."""
    return {name: make() for name, make in DOCUMENTS.items() if not is_current(name)}
