"""`tvm-tiny analyze`."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options
from .calibrated import quality_entry, quality_tables
from .costs import operator_table, total_table
from .models import build_model, port_entries, proof_entry, proof_lines, prove_plan
from .plan_entries import plan_entries
from .plan_tables import plan_tables
from .printer import Printer
from .stages import memory_options

Pareto = Annotated[
    bool,
    typer.Option("--pareto", help="Also search what more work saves: SRAM against rows in stages."),
]


def analyze_model(
    model: options.ModelPath,
    target: options.TargetName = "host",
    sram: options.Sram = None,
    minimize: options.Minimize = None,
    stream_input: options.StreamInput = False,
    stages: options.StageList = None,
    pools: options.PoolFile = None,
    io_in_arena: options.IoInArena = True,
    float_io: options.FloatIo = False,
    calibrate: options.Calibrate = None,
    calibrate_method: options.CalibrateMethod = options.Method.AUTO,
    mean: options.PixelMean = "0",
    std: options.PixelStd = "1",
    pareto: Pareto = False,
    check_plan: options.CheckPlan = False,
    as_json: options.AsJson = False,
) -> None:
    """List a model's operators, what they cost, and how its memory is planned.

    Code, flash and stack are those of the target, if its compiler is installed.
    """
    calibration = options.calibration(calibrate, calibrate_method, mean, std)
    printer = Printer("analyze", as_json=as_json)
    edges = {"fold_edges": not float_io, "io_in_arena": io_in_arena}
    memory = memory_options(sram, minimize, stream_input, stages, pools)
    with printer.stage(f"compiling {model.name}"):
        built = build_model(model, target, calibration, **edges, **memory)
    with printer.stage(f"planning, and measuring code for {target}"):
        from tvm_tiny.report import collect
        from tvm_tiny.report.entries import operator_entries, total_entries

        report = collect(*built, model=model.name, front=pareto)
    proof = prove_plan(printer, built.compiled) if check_plan else None
    for note in report.measured.notes:
        printer.warn(note)
    fields = {
        "model": {"path": str(model)},
        "target": target,
        "io_in_arena": io_in_arena,
        "inputs": port_entries(built.compiled.program.interface.inputs),
        "outputs": port_entries(built.compiled.program.interface.outputs),
        "operators": operator_entries(report.analysis),
        "totals": total_entries(report),
        **plan_entries(report),
        "calibration": quality_entry(report.quality),
        "plan_proof": proof_entry(proof),
    }
    tables = [operator_table(report.analysis), "", total_table(report), *proof_lines(proof)]
    printer.finish(fields, [*tables, "", *plan_tables(report), "", *quality_tables(report.quality)])
