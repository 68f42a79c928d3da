"""The command: scripts/bench --help."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from rich.console import Console

from tvm_tiny.errors import TvmTinyError

from . import documents, records
from .cases import BOARD_TITLES, QUICK, SHARED, Case, Job, all_cases, jobs_of, select
from .measure import Result, measure
from .records import Figures
from .tables import tables

#: Width of tables in a file or pipe, so large that no line is broken.
_WIDTH = 160


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; 1 for wrong outputs, or with --check for worse figures, else 0."""
    options = _parser().parse_args(arguments)
    if not (SHARED / "models").is_dir():
        print("bench: skipped, the real models (../shared) are not on this machine")
        return 0
    cases = select(_wanted(options), options.models, options.boards)
    if not cases:
        print("bench: there are no such cases")
        return 1
    try:
        tools = records.tool_versions({case.board for case in cases})
    except TvmTinyError as error:
        print(f"bench: {error}")
        return 1
    return _report(sorted(measure_all(jobs_of(cases)), key=lambda r: r.case), tools, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    add = parser.add_argument
    add("--models", nargs="+", metavar="M", help="beginnings of models' names")
    add("--boards", nargs="+", metavar="B", choices=BOARD_TITLES, help=", ".join(BOARD_TITLES))
    add("--quick", action="store_true", help="only what the tests measure every time")
    add("--portable", action="store_true", help="compare with the portable kernels, too")
    add("--check", action="store_true", help="exit 1 if a count is over 2 %% above the recorded")
    add("--update", action="store_true", help="record the figures, renew the documents")
    return parser


def _wanted(options: argparse.Namespace) -> list[Case]:
    if options.quick:
        return sorted(QUICK)
    return all_cases(portable=options.portable)


def measure_all(jobs: Sequence[Job]) -> Iterator[Result]:
    """Measures two jobs at a time, each in its own process; prints progress to stderr."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        futures = {pool.submit(measure, job): job for job in jobs}
        for done, future in enumerate(as_completed(futures), 1):
            print(f"bench: {done} of {len(jobs)}: {futures[future]}", file=sys.stderr, flush=True)
            yield from future.result()


def _report(results: Sequence[Result], tools: dict[str, str], options: argparse.Namespace) -> int:
    figures = {result.case: result.figure for result in results if result.figure is not None}
    seconds = {result.case: result.seconds for result in results}
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    for table in tables(figures, seconds):
        console.print(table.rich())
    for result in results:
        if result.figure is None:
            print(f"{'WRONG' if result.wrong else 'skipped'}: {result.case}: {result.reason}")
    if any(result.wrong for result in results):
        return 1
    failed = options.check and _check(results, figures, tools)
    if options.update:
        _update(tools, figures)
    return int(failed)


def _check(results: Sequence[Result], figures: Figures, tools: dict[str, str]) -> bool:
    recorded_tools, recorded = records.load()
    for line in records.other_tools(recorded_tools, tools):
        print(f"note: {line}")
    lines = [*records.slower(recorded, results), *records.not_faster(figures)]
    for line in lines:
        print(f"SLOWER: {line}")
    return bool(lines)


def _update(tools: dict[str, str], figures: Figures) -> None:
    """Records new figures; others stay as they are."""
    old_tools, old = records.load()
    records.save({**old_tools, **tools}, {**old, **figures})
    documents.update(*records.load())


if __name__ == "__main__":
    sys.exit(main())
