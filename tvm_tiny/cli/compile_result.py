"""The result of `tvm-tiny compile` in words and for JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .models import port_entries
from .printer import amount, mac_text, shape_text

if TYPE_CHECKING:
    from tvm_tiny.analysis import Measurement
    from tvm_tiny.aot import Program
    from tvm_tiny.build import CompiledModel


def rows(compiled: CompiledModel, measured: Measurement) -> list[tuple[str, str]]:
    """Rows of a table: names and figures."""
    program = compiled.program
    ports = [("input", p) for p in program.interface.inputs]
    ports += [("output", p) for p in program.interface.outputs]
    inside = "inputs and outputs included" if program.io_in_arena else "without inputs and outputs"
    return [
        ("model", f"{program.name}, {_steps(program)}, for {compiled.target.name}"),
        *((kind, f"{p.name}: {p.dtype} {shape_text(p.shape)}") for kind, p in ports),
        ("arena", f"{amount(compiled.workspace_bytes)}, {inside}"),
        *(("pool", f"{p.name}: {p.bytes:,} of {amount(p.size)}") for p in compiled.pools),
        ("weights and tables", amount(compiled.constant_bytes)),
        ("code", amount(measured.code_bytes)),
        ("flash", amount(measured.flash_bytes)),
        ("stack", amount(measured.stack_bytes)),
        ("MACs", mac_text(program.macs, program.extra_macs)),
    ]


def _steps(program: Program) -> str:
    """`57 operators`, or `57 operators, 31 of them in 5 stages`."""
    stages = [step for step in program.steps if len(step) > 1]
    inside = sum(map(len, stages))
    noun = "stage" if len(stages) == 1 else "stages"
    staged = f", {inside} of them in {len(stages)} {noun}" if stages else ""
    return f"{len(program.calls)} operators{staged}"


def model_fields(model: Path, compiled: CompiledModel) -> dict[str, Any]:
    """The model and target for JSON."""
    return {
        "model": {"path": str(model), "name": compiled.program.name},
        "target": compiled.target.name,
    }


def cost_fields(compiled: CompiledModel, measured: Measurement) -> dict[str, Any]:
    """The compiled model's sizes for JSON."""
    program = compiled.program
    return {
        "arena_bytes": compiled.workspace_bytes,
        "io_in_arena": program.io_in_arena,
        "stages": [len(step) for step in program.steps if len(step) > 1],
        "stream_input": program.streamed is not None,
        "pools": [asdict(pool) for pool in compiled.pools],
        "constant_bytes": compiled.constant_bytes,
        "code_bytes": measured.code_bytes,
        "flash_bytes": measured.flash_bytes,
        "stack_bytes": measured.stack_bytes,
        "macs": program.macs,
        "extra_macs": program.extra_macs,
        "steps": len(program.calls),
        "inputs": port_entries(program.interface.inputs),
        "outputs": port_entries(program.interface.outputs),
    }
