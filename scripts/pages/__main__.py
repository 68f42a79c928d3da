"""The command: scripts/docs --help."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .documents import ROOT, stale


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes stale documents; returns 1 with --check if there are any, else 0."""
    parser = argparse.ArgumentParser(
        prog="scripts/docs", description="Documents made from the code."
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if one is stale"
    )
    check = parser.parse_args(arguments).check
    found = stale()
    for name, text in found.items():
        print(f"stale: {name}; run scripts/docs" if check else f"wrote {name}")
        if not check:
            (ROOT / name).write_text(text, encoding="utf-8")
    return int(check and bool(found))


if __name__ == "__main__":
    sys.exit(main())
