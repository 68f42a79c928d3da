"""Options that several commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

_SIZE = re.compile(r"(0x[0-9a-f]+|\d+)\s*(k|kib|m|mib|)", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024 * 1024}


def parse_size(text: str) -> int:
    """Bytes of `256K`, `1MiB`, `65536` or `0x10000`; K and M are powers of 1024."""
    match = _SIZE.fullmatch(text.strip())
    value = 0 if match is None else int(match[1], 0 if match[1][:2].lower() == "0x" else 10)
    if match is None or value == 0:
        raise typer.BadParameter(
            f"'{text}' is not a size: expected bytes, or a number with K, M, KiB or MiB"
        )
    return value * _UNITS[match[2][:1].lower()]


def complete_target(incomplete: str) -> list[str]:
    """Names of targets for the shell."""
    from tvm_tiny.micro.targets import TARGETS

    return [name for name in TARGETS if name.startswith(incomplete)]


def complete_board(incomplete: str) -> list[str]:
    """Names of boards for the shell."""
    from tvm_tiny.micro.boards import BOARDS

    return [name for name in BOARDS if name.startswith(incomplete)]


# Without `exists=True` and the like: those errors are ours, with the exit codes of errors.py.
ModelPath = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Quantized .tflite or .onnx file.")
]
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
        metavar="SAMPLES.npz",
        help="Quantize a float .onnx model with these input samples first.",
    ),
]
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
Timeout = Annotated[
    float, typer.Option("--timeout", min=0.1, help="Seconds until a run counts as hung.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of random inputs.")]
Count = Annotated[int, typer.Option("--count", min=1, help="How many random inputs.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object instead (see docs/json.md).")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")]
