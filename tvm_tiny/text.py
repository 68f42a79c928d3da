"""Reads sizes that users write, and suggests known names for unknown ones."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from .errors import DataError

_SIZE = re.compile(r"(0x[0-9a-f]{1,12}|[0-9]{1,15})\s*(k|kib|m|mib|)", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024 * 1024}


def parse_size(text: str) -> int:
    """Bytes of `256K`, `1MiB`, `65536` or `0x10000`; K and M are powers of 1024.

    Raises DataError where `text` is no size, and for 0.
    """
    match = _SIZE.fullmatch(text.strip())
    value = 0 if match is None else int(match[1], 0 if match[1][:2].lower() == "0x" else 10)
    if match is None or value == 0:
        raise DataError(
            f"{text!r} is not a size: expected bytes, or a number with K, M, KiB or MiB"
        )
    return value * _UNITS[match[2][:1].lower()]


def similar_names(
    name: str, known: Iterable[str], count: int = 1, cutoff: float = 0.6
) -> list[str]:
    """At most `count` of the known names that resemble `name`, the most similar first.

    cutoff: the least similarity that counts, from 0 (any name) to 1 (the same name).
    """
    return difflib.get_close_matches(name, list(known), n=count, cutoff=cutoff)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`: did you mean 'x'? (known: a, b)`, the end of an error message."""
    names = list(known)
    close = similar_names(name, names)
    suggestion = f"did you mean {close[0]!r}? " if close else ""
    return f": {suggestion}(known: {', '.join(names)})"
