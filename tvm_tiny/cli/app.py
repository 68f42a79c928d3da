"""The application: its commands, and errors as one line and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Annotated, Any

import typer

from tvm_tiny._version import __version__
from tvm_tiny.errors import TvmTinyError

from . import (
    analyze,
    compile_model,
    demo,
    micro,
    profile,
    report_model,
    run,
    supported,
    tune,
    verify,
)
from .printer import error_entry, print_error, print_json
from .streams import native_output_hidden

# sysexits.h: EX_SOFTWARE.
EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
DEBUG = "TVM_TINY_DEBUG"

# Base class of typer's own errors, which has moved between versions.
_UsageError: Any = typer.BadParameter.__base__

app = typer.Typer(
    name="tvm-tiny",
    help="Quantized networks to exact, bare-metal C for microcontrollers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit codes: 0 success, 2 wrong command line, 3 unreadable model, 4 unsupported model, "
        "5 over budget, 6 wrong data or options, 7 missing tool, 8 firmware failed, "
        "9 results differ."
    ),
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"tvm-tiny {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Quantized networks to exact, bare-metal C for microcontrollers."""


_COMMANDS: dict[str, Callable[..., None]] = {
    "compile": compile_model.compile_model,
    "analyze": analyze.analyze_model,
    "report": report_model.report_model,
    "run": run.run_model,
    "profile": profile.profile_archive,
    "tune": tune.tune_model,
    "verify": verify.verify_model,
    "supported-ops": supported.supported_ops,
    "demo": demo.run_demo,
}
for _name, _function in _COMMANDS.items():
    app.command(_name)(_function)
app.add_typer(micro.app)


def main(arguments: Sequence[str] | None = None) -> int:
    """The console script: runs a command line and returns its exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    if os.environ.get(DEBUG):
        return run_app(arguments)
    with native_output_hidden():
        return run_app(arguments)


def _terminate(number: int, frame: FrameType | None) -> None:
    """Raises SystemExit, so that temporary files are removed."""
    raise SystemExit(EXIT_TERMINATED)


def run_app(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line and returns its exit code; raises nothing but SystemExit."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(arguments, prog_name="tvm-tiny", standalone_mode=False)
        sys.stdout.flush()
    except TvmTinyError as error:
        return _fail(arguments, error, error.exit_code, str(error))
    except (KeyboardInterrupt, typer.Abort) as error:
        return _fail(arguments, error, EXIT_INTERRUPTED, "interrupted")
    except BrokenPipeError:
        _close_output()  # the reader of a pipe (head, less) has closed it
        return 0
    except OSError as error:
        # Mostly a full disk: errors of the user's own files have become TvmTinyErrors.
        _close_output()
        place = f": {error.filename}" if error.filename else " (writing results or temporary files)"
        return _fail(arguments, error, TvmTinyError.exit_code, f"{error.strerror or error}{place}")
    except _UsageError as error:
        hint = "see 'tvm-tiny --help'" if error.ctx is None else _hint(error.ctx)
        return _fail(arguments, error, 2, f"{error.format_message()} ({hint})")
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        message = (
            f"internal error: {type(error).__name__}: {error} (set {DEBUG}=1 for the traceback, "
            "and please report it)"
        )
        return _fail(arguments, error, EXIT_INTERNAL, message)
    if code == EXIT_INTERRUPTED:  # newer versions of typer catch the interrupt themselves
        return _fail(arguments, KeyboardInterrupt(), EXIT_INTERRUPTED, "interrupted")
    return code if isinstance(code, int) else 0


def _hint(context: Any) -> str:
    return f"see '{context.command_path} --help'"


def _fail(arguments: Sequence[str], error: BaseException, code: int, message: str) -> int:
    print_error(message)
    if "--json" in arguments:
        print_json({"error": error_entry(error, code, message)})
    return code


def _close_output() -> None:
    """Discards output that is still buffered, which would fail again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
