"""`tvm-tiny demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .printer import Printer, amount, summary

OutputFolder = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="DIR", help="Keep the model and the C here."),
]


def run_demo(
    board: options.BoardName = "mps2_an386",
    output: OutputFolder = None,
    as_json: options.AsJson = False,
) -> None:
    """Train a small network, quantize it, compile it, and run it on an emulated Cortex-M4.

    The network reads handwritten digits (8x8 pixels, from scikit-learn).
    """
    from tvm_tiny.demo.demo import Demo

    printer = Printer("demo", as_json=as_json)
    demo = Demo(board, output)
    with demo:
        with printer.stage("training on 8x8 digits"):
            demo.train()
        with printer.stage("quantizing and compiling"):
            demo.compile()
        with printer.stage(f"running {len(demo.test.labels)} images on {board}"):
            outcome = demo.run()
    fields = {
        "board": board,
        "target": outcome.target,
        "output": None if output is None else str(output),
        "test_images": outcome.test_images,
        "float_accuracy": outcome.float_accuracy,
        "device_accuracy": outcome.device_accuracy,
        "arena_bytes": outcome.arena_bytes,
        "flash_bytes": outcome.flash_bytes,
        "model_flash_bytes": outcome.model_flash_bytes,
        "stack_bytes": outcome.stack_bytes,
        "instructions": outcome.instructions,
        "macs": outcome.macs,
    }
    per_inference = "not counted on the host"
    if outcome.instructions is not None:
        per_inference = f"{outcome.instructions:,} an inference at most"
    rows = [
        ("board", f"{board} ({outcome.target})"),
        ("test images", str(outcome.test_images)),
        ("accuracy in float", f"{outcome.float_accuracy:.2%}"),
        ("accuracy on the board", f"{outcome.device_accuracy:.2%}"),
        ("arena", amount(outcome.arena_bytes)),
        ("flash", f"{amount(outcome.flash_bytes)}, of it {outcome.model_flash_bytes:,} the model"),
        ("stack", amount(outcome.stack_bytes)),
        ("instructions", per_inference),
        ("MACs", amount(outcome.macs, "")),
    ]
    kept = [] if output is None else [f"wrote {output}"]
    printer.finish(fields, [summary(rows), *kept])
