"""Options that several commands share."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tvm_tiny import text
from tvm_tiny.errors import DataError

if TYPE_CHECKING:
    from tvm_tiny.frontend import Calibration


class Minimized(str, Enum):
    """The memories that a search can make as small as possible."""

    SRAM = "sram"


class Method(str, Enum):
    """Methods by which calibration chooses ranges; see `tvm_tiny.frontend.Calibration`."""

    MINMAX = "minmax"
    MSE = "mse"
    PERCENTILE = "percentile"
    ENTROPY = "entropy"
    AUTO = "auto"


def calibration(samples: Path | None, method: Method, mean: str, std: str) -> Calibration | None:
    """The calibration that --calibrate, --calibrate-method, --mean and --std describe."""
    if samples is None:
        return None
    from tvm_tiny.frontend import Calibration

    return Calibration(samples, method.value, _numbers("--mean", mean), _numbers("--std", std))


def _numbers(option: str, value: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        raise DataError(f"{option} '{value}': expected numbers with commas between") from None


def parse_size(value: str) -> int:
    """Bytes of a size as users write it; see `tvm_tiny.text.parse_size`."""
    try:
        return text.parse_size(value)
    except DataError as error:
        raise typer.BadParameter(str(error)) from None


def complete_target(incomplete: str) -> list[str]:
    """Names of targets for the shell."""
    from tvm_tiny.targets import TARGETS

    return [name for name in TARGETS if name.startswith(incomplete)]


def complete_board(incomplete: str) -> list[str]:
    """Names of boards for the shell."""
    from tvm_tiny.micro.boards import BOARDS

    return [name for name in BOARDS if name.startswith(incomplete)]


# Without `exists=True` and the like, so that errors are ours, with exit codes of errors.py.
ModelPath = Annotated[Path, typer.Argument(metavar="MODEL", help="A .tflite, .onnx or .pt2 file.")]
TargetName = Annotated[
    str,
    typer.Option(
        "--target",
        help="cortex-m0, -m3, -m4, -m7, -m33, -m55, rv32 or host.",
        autocompletion=complete_target,
    ),
]
BoardName = Annotated[
    str,
    typer.Option(
        "--board",
        help="host, microbit, mps2_an385, mps2_an386, mps2_an500, mps2_an505, mps3_an547 or "
        "riscv32.",
        autocompletion=complete_board,
    ),
]
Calibrate = Annotated[
    Path | None,
    typer.Option(
        "--calibrate",
        metavar="SAMPLES",
        help="Quantize a float .onnx or .pt2 model with these inputs first: an .npz, or a folder "
        "of images or .npy files (see docs/calibration.md).",
    ),
]
CalibrateMethod = Annotated[
    Method,
    typer.Option("--calibrate-method", help="How --calibrate chooses each tensor's range."),
]
PixelMean = Annotated[
    str,
    typer.Option(
        "--mean",
        metavar="M[,M...]",
        help="With --calibrate: images become (pixel / 255 - mean) / std, by channel.",
    ),
]
PixelStd = Annotated[str, typer.Option("--std", metavar="S[,S...]", help="See --mean.")]
ModelName = Annotated[
    str, typer.Option("--name", help="Prefix of the generated names: tvmgen_NAME_...")
]
IoInArena = Annotated[
    bool,
    typer.Option(
        " /--no-io-in-arena", help="Inputs and outputs are the caller's buffers, not in the arena."
    ),
]
FloatIo = Annotated[
    bool,
    typer.Option(
        "--float-io", help="Keep float and NCHW inputs and outputs as the model has them."
    ),
]
Sram = Annotated[
    int | None,
    typer.Option(
        "--sram",
        metavar="SIZE",
        parser=parse_size,
        help="Budget of the arena, such as 64K or 0x8000 bytes: operators run in stages, row by "
        "row, as far as it takes.",
    ),
]
Minimize = Annotated[
    Minimized | None,
    typer.Option("--minimize", help="Find the stages with which the arena is smallest."),
]
StreamInput = Annotated[
    bool,
    typer.Option(
        "--stream-input", help="The caller hands the input over row by row; it is never whole."
    ),
]
StageList = Annotated[
    str | None,
    typer.Option(
        "--stages",
        metavar="FIRST..LAST,...",
        help="Run these operators as stages instead of searching: the first and the last of "
        "each, by the names of their results or how they begin (`analyze` lists them).",
    ),
]
PoolFile = Annotated[
    Path | None,
    typer.Option(
        "--pools",
        metavar="BOARD.toml",
        help="The memory pools of a board, in place of one arena (see docs/memory-pools.md).",
    ),
]
TuningLogs = Annotated[
    list[Path] | None,
    typer.Option(
        "--tuning-log",
        metavar="LOG.json",
        help="Compute products as `tune` found best; may be given several times.",
    ),
]
CheckPlan = Annotated[
    bool,
    typer.Option(
        "--check-plan", help="Prove the memory plan: replay every access of every kernel."
    ),
]
Timeout = Annotated[
    float, typer.Option("--timeout", min=0.1, help="Seconds until a run counts as hung.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of random inputs.")]
Count = Annotated[int, typer.Option("--count", min=1, help="How many random inputs.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object instead (see docs/json.md).")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")]
