"""Prints results to stdout, in words or as JSON, and messages to stderr."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tvm_tiny.errors import TvmTinyError

SCHEMA_VERSION = 1

# Width of tables in a file or pipe, so large that nothing is cut.
_PIPE_WIDTH = 200


def error_entry(error: BaseException, exit_code: int, message: str | None = None) -> dict[str, Any]:
    """The `error` member of a JSON object."""
    text = one_line(str(error) if message is None else message)
    return {"class": type(error).__name__, "message": text, "exit_code": exit_code}


def one_line(text: str) -> str:
    """Text without line breaks and characters that control a terminal."""
    joined = " ".join(line.strip() for line in text.splitlines() if line.strip())
    return "".join(c if c.isprintable() else "?" for c in joined)


def print_error(message: str) -> None:
    """`error: <one line>` on stderr."""
    print(f"error: {one_line(message)}", file=sys.stderr, flush=True)


def print_json(fields: Mapping[str, Any]) -> None:
    """Prints the command's JSON object on stdout."""
    document = {"schema_version": SCHEMA_VERSION, **fields}
    print(json.dumps(document, indent=2, allow_nan=False), flush=True)


class Printer:
    """Collects a command's result; `finish` prints it in one of two forms."""

    def __init__(self, command: str, *, as_json: bool) -> None:
        self.as_json = as_json
        self._command = command
        self._warnings: list[str] = []
        self._errors = Console(stderr=True, highlight=False)

    @contextmanager
    def stage(self, text: str) -> Iterator[None]:
        """A context for slow work, with a spinner; its warnings are printed at the end."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", UserWarning)
            if self._errors.is_terminal and not self.as_json:
                with self._errors.status(Text(text), spinner="dots"):
                    yield
            else:
                yield
        for warning in caught:
            self.warn(str(warning.message))

    def warn(self, message: str) -> None:
        """Notes a warning, to be printed once at the end and listed in JSON's `warnings`."""
        message = one_line(message)
        if message not in self._warnings:
            self._warnings.append(message)

    def finish(
        self,
        fields: Mapping[str, Any],
        tables: Sequence[Table | str],
        error: TvmTinyError | None = None,
    ) -> None:
        """Prints `fields` as JSON, or `tables` and lines; then warnings, then the error."""
        for message in self._warnings:
            print(f"warning: {message}", file=sys.stderr, flush=True)
        if self.as_json:
            document = {"command": self._command, **fields, "warnings": self._warnings}
            if error is not None:
                document["error"] = error_entry(error, error.exit_code)
            print_json(document)
        else:
            _print_tables(tables)
        if error is not None:
            print_error(str(error))


def _print_tables(tables: Sequence[Table | str]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PIPE_WIDTH)
    for table in tables:
        console.print(Text(table) if isinstance(table, str) else table)


def summary(rows: Sequence[tuple[str, str]]) -> Table:
    """A table of two columns, names and figures, without a header."""
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(name), Text(value))
    return table


def listing(headers: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> Table:
    """A table with a header; `headers` are (title, "left" or "right")."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title, justify in headers:
        table.add_column(title, justify="right" if justify == "right" else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def amount(value: int | None, unit: str = "bytes") -> str:
    """`12,345 bytes`, or `unknown`."""
    return "unknown" if value is None else f"{value:,} {unit}".rstrip()


def mac_text(macs: int, extra: int) -> str:
    """`12,345`, with the further multiply-accumulates that tiles compute, if any."""
    return f"{macs:,}, and {extra:,} more in tiles" if extra else f"{macs:,}"


def shape_text(shape: Sequence[int]) -> str:
    """`1x96x96x3`, or `scalar`."""
    return "x".join(map(str, shape)) or "scalar"
