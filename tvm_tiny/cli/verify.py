"""`tvm-tiny verify`."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tvm_tiny.errors import VerificationError

from . import options
from .models import import_with_reference, proof_entry, proof_lines, prove_plan
from .printer import Printer, listing, shape_text
from .samples import choose_samples, load_arrays
from .stages import memory_options, resolve

if TYPE_CHECKING:
    from tvm_tiny.verification import Difference, Verification

Samples = Annotated[
    Path | None,
    typer.Option("--samples", metavar="X.npz", help="Samples by input name; default: random ones."),
]

# Rows shown without --verbose, since later differences mostly follow from the first.
_SHOWN = 10


def verify_model(
    model: options.ModelPath,
    board: options.BoardName = "host",
    samples: Samples = None,
    count: options.Count = 4,
    seed: options.Seed = 0,
    timeout: options.Timeout = 600.0,
    sram: options.Sram = None,
    minimize: options.Minimize = None,
    stream_input: options.StreamInput = False,
    stages: options.StageList = None,
    pools: options.PoolFile = None,
    calibrate: options.Calibrate = None,
    calibrate_method: options.CalibrateMethod = options.Method.AUTO,
    mean: options.PixelMean = "0",
    std: options.PixelStd = "1",
    check_plan: options.CheckPlan = False,
    as_json: options.AsJson = False,
    verbose: options.Verbose = False,
) -> None:
    """Compare every tensor a board computes with an integer reference in NumPy.

    Integers must agree in every bit; tensors of float operators within 1e-5 of their largest
    value. Exit code 9 if anything differs.
    """
    from tvm_tiny.build import build
    from tvm_tiny.micro.boards import find_board
    from tvm_tiny.verification import verify

    calibration = options.calibration(calibrate, calibrate_method, mean, std)
    printer = Printer("verify", as_json=as_json)
    memory = memory_options(sram, minimize, stream_input, stages, pools)
    chosen = find_board(board)
    arrays = load_arrays(samples)
    with printer.stage(f"compiling {model.name}"):
        module, reference = import_with_reference(model, calibration)
        compiled = build(module, chosen.target.name, **resolve(module, memory))
    proof = prove_plan(printer, compiled) if check_plan else None
    given, source = choose_samples(compiled.program.interface.inputs, arrays, count, seed)
    with printer.stage(f"running {len(given)} samples on {board} and in NumPy"):
        outcome = verify(compiled, reference, board, given, timeout)
    error = _error(outcome)
    fields = {
        "model": {"path": str(model), "name": compiled.program.name},
        "board": board,
        "target": chosen.target.name,
        "samples": {"count": len(given), **source},
        "equal": not outcome.differences,
        "arena_bytes": compiled.workspace_bytes,
        **_fields(outcome),
        "plan_proof": proof_entry(proof),
    }
    printer.finish(fields, [*_lines(outcome, board, verbose), *proof_lines(proof)], error)
    if error is not None:
        raise typer.Exit(error.exit_code)


def _error(outcome: Verification) -> VerificationError | None:
    if not outcome.differences:
        return None
    return VerificationError(f"results differ from the reference: first {outcome.differences[0]}")


def _fields(outcome: Verification) -> dict[str, Any]:
    return {
        "compared_tensors": len(outcome.compared),
        "compared_values": outcome.values,
        "skipped_tensors": list(outcome.skipped),
        "differences": [_difference(difference) for difference in outcome.differences],
    }


def _difference(difference: Difference) -> dict[str, Any]:
    """A difference for JSON, which has null for infinity and NaN."""
    plain = json.loads(json.dumps(asdict(difference)))
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in plain.items()
    }


def _lines(outcome: Verification, board: str, verbose: bool) -> list[Any]:
    result = "differ" if outcome.differences else "equal"
    lines: list[Any] = [
        f"{result}: {len(outcome.compared)} tensors of {outcome.samples} samples on {board} "
        f"compared with the reference, {outcome.values:,} values"
    ]
    if outcome.skipped:
        more = f": {', '.join(outcome.skipped)}" if verbose else " (-v lists them)"
        lines.append(
            f"skipped: {len(outcome.skipped)} tensors that only the compiled model has{more}"
        )
    if outcome.differences:
        lines.append(_table(outcome, len(outcome.differences) if verbose else _SHOWN))
    return lines


def _table(outcome: Verification, rows: int) -> Any:
    headers = [
        ("sample", "right"),
        ("step", "right"),
        ("op", "left"),
        ("tensor", "left"),
        ("shape", "left"),
        ("differ", "right"),
        ("by at most", "right"),
        ("first at", "left"),
    ]
    shown = [
        (
            str(d.sample),
            "" if d.step is None else str(d.step),
            d.op,
            d.tensor,
            shape_text(d.shape),
            f"{d.count} of {d.elements}",
            f"{d.max_difference:g}",
            str(list(d.first_index)),
        )
        for d in outcome.differences[:rows]
    ]
    return listing(headers, shown)
