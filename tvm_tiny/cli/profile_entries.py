"""Profiles for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tvm_tiny.micro.profiling.data import Layer, Profile
    from tvm_tiny.micro.profiling.sums import Work


def profile_entries(profile: Profile) -> dict[str, Any]:
    """Everything that was counted; see schemas/profile.json."""
    total = profile.total
    macs = sum(layer.step.macs for layer in profile.layers)
    return {
        "board": profile.board,
        "counter": profile.counter,
        "total": {"macs": macs, **_work(total, macs)},
        "layers": [_layer(layer) for layer in profile.layers],
        "driver": _work(profile.driver),
        "caller": _work(profile.caller),
        "functions": None
        if profile.functions is None
        else [{"name": name, **_work(work)} for name, work in profile.functions.items()],
        "interrupt_instructions": profile.interrupts,
        "board_instructions": profile.board_count,
        "stack_bytes": profile.stack_bytes,
    }


def _layer(layer: Layer) -> dict[str, Any]:
    step = layer.step
    return {
        "index": step.index,
        "op": step.op,
        "tensor": step.tensor,
        "kernel": step.kernel,
        "calls": layer.calls,
        "macs": step.macs,
        **_work(layer.work, step.macs),
    }


def _work(work: Work, macs: int = 0) -> dict[str, Any]:
    cycles = dict(work.cycles) or None
    return {
        "instructions": work.instructions,
        "instructions_per_mac": round(work.instructions / macs, 4) if macs else None,
        "mix": None if work.mix is None else dict(work.mix),
        "estimated_cycles": cycles,
    }
