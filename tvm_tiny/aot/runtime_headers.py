"""The C headers below runtime_c/include, with all the headers that they include."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import resources

_INCLUDE = re.compile(rb'^#include "(tvm_tiny/[^"]+)"', re.MULTILINE)


def with_parts(names: Iterable[str]) -> dict[str, bytes]:
    """Reads headers and, transitively, what they include: path -> contents, sorted by path.

    Paths are as in C, such as `tvm_tiny/dsp.h`.
    """
    root = resources.files("tvm_tiny.runtime_c") / "include"
    found: dict[str, bytes] = {}
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in found:
            found[name] = root.joinpath(*name.split("/")).read_bytes()
            pending += [part.decode() for part in _INCLUDE.findall(found[name])]
    return dict(sorted(found.items()))
