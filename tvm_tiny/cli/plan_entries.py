"""A memory plan for JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tvm_tiny.report.data import Block, Peak, Plan, Report, Step


def plan_entries(report: Report) -> dict[str, Any]:
    """The members `plan` and `pareto`, with the facts that the terminal shows in words."""
    from tvm_tiny.report.entries import point_entries

    plan = report.chosen
    return {
        "plan": {
            "order": asdict(report.order),
            "techniques": _techniques(report),
            "steps": [_step(step, plan) for step in plan.steps],
            "peak": _peak(plan.peak, plan),
        },
        "pareto": point_entries(report.front),
    }


def _techniques(report: Report) -> list[dict[str, Any]]:
    before = [report.plans[0], *report.plans]
    return [
        {
            "key": plan.key,
            "title": plan.title,
            "arena_bytes": plan.arena_bytes,
            "saved_bytes": old.arena_bytes - plan.arena_bytes,
            "lower_bound_bytes": plan.lower_bound,
            "proven": plan.proven,
        }
        for old, plan in zip(before, report.plans, strict=False)
    ]


def _step(step: Step, plan: Plan) -> dict[str, Any]:
    return {
        "index": step.index,
        "kind": step.kind,
        "operators": [
            {"op": op, "tensor": tensor} for op, tensor in zip(step.ops, step.tensors, strict=True)
        ],
        "rows": step.events,
        "rings": [_ring(plan.blocks[k]) for k in step.rings],
        "scratch_bytes": sum(plan.blocks[k].bytes for k in step.scratch),
        "backward": step.backward,
        "tiles": list(step.tiles),
        "extra_macs": step.extra_macs,
        "peak": _peak(step.peak, plan),
    }


def _ring(block: Block) -> dict[str, Any]:
    return {"tensor": block.name, "rows": block.ring, "row_bytes": block.row_bytes}


def _peak(peak: Peak, plan: Plan) -> dict[str, Any]:
    return {
        "bytes": peak.bytes,
        "step": peak.step,
        "tensor": peak.tensor,
        "row": peak.row,
        "tile": peak.tile,
        "live": [
            {"tensor": plan.blocks[s.block].name, "low": s.low, "high": s.high} for s in peak.shares
        ],
    }
