"""`tvm-tiny analyze`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from . import options
from .models import build_model, port_entries
from .printer import Printer, amount, listing, shape_text, summary

if TYPE_CHECKING:
    from tvm_tiny.analysis import Analysis, Measurement
    from tvm_tiny.build import CompiledModel


def analyze_model(
    model: options.ModelPath,
    target: options.TargetName = "host",
    io_in_arena: options.IoInArena = True,
    float_io: options.FloatIo = False,
    calibrate: options.Calibrate = None,
    as_json: options.AsJson = False,
) -> None:
    """List a model's operators and what they cost.

    Code, flash and stack are those of the target, if its compiler is installed.
    """
    printer = Printer("analyze", as_json=as_json)
    with printer.stage(f"compiling {model.name}"):
        compiled = build_model(
            model, target, calibrate, fold_edges=not float_io, io_in_arena=io_in_arena
        )
    with printer.stage(f"measuring code for {target}"):
        from tvm_tiny.analysis import analyze, measure

        analysis = analyze(compiled)
        measured = measure(compiled)
    for note in measured.notes:
        printer.warn(note)
    fields = {
        "model": {"path": str(model)},
        "target": target,
        "io_in_arena": io_in_arena,
        "inputs": port_entries(compiled.program.interface.inputs),
        "outputs": port_entries(compiled.program.interface.outputs),
        "operators": [
            {**asdict(op), "shape": list(op.shape), "is_float": op.op.startswith("float ")}
            for op in analysis.operators
        ],
        "totals": {
            "macs": analysis.macs,
            "parameter_bytes": analysis.parameter_bytes,
            "arena_bytes": analysis.arena_bytes,
            "arena_lower_bound_bytes": analysis.arena_lower_bound,
            "arena_proven": analysis.arena_proven,
            "code_bytes": measured.code_bytes,
            "flash_bytes": measured.flash_bytes,
            "stack_bytes": measured.stack_bytes,
        },
    }
    printer.finish(fields, [_operators(analysis), "", _totals(compiled, analysis, measured)])


def _operators(analysis: Analysis) -> Any:
    headers = [
        ("#", "right"),
        ("operator", "left"),
        ("result", "left"),
        ("shape", "left"),
        ("MACs", "right"),
        ("parameters", "right"),
        ("activations", "right"),
        ("live", "right"),
        ("offset", "right"),
    ]
    rows = [
        (
            str(op.index),
            op.op,
            op.tensor,
            f"{op.dtype} {shape_text(op.shape)}",
            f"{op.macs:,}",
            f"{op.parameter_bytes:,}",
            f"{op.activation_bytes:,}",
            f"{op.live_bytes:,}",
            "caller's" if op.arena_offset is None else f"{op.arena_offset:,}",
        )
        for op in analysis.operators
    ]
    return listing(headers, rows)


def _totals(compiled: CompiledModel, analysis: Analysis, measured: Measurement) -> Any:
    target = compiled.target.name
    return summary(
        [
            ("MACs", amount(analysis.macs, "")),
            ("parameters", f"{amount(analysis.parameter_bytes)}, tables included"),
            (
                "arena",
                f"{amount(analysis.arena_bytes)}; no plan of these steps needs less than "
                f"{analysis.arena_lower_bound:,}",
            ),
            ("code", f"{amount(measured.code_bytes)} ({target})"),
            ("flash", f"{amount(measured.flash_bytes)} ({target})"),
            ("stack", f"{amount(measured.stack_bytes)} ({target})"),
        ]
    )
