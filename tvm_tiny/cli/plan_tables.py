"""A memory plan on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .printer import listing, summary

if TYPE_CHECKING:
    from tvm_tiny.report import Report


def plan_tables(report: Report) -> list[Any]:
    """Tables of the plan: techniques and savings, steps, the peak, the trade if searched."""
    from tvm_tiny.report import words

    plan = report.chosen
    facts = [
        ("arena", words.arena(plan)),
        ("order", words.order(report.order)),
        ("peak", words.peak(plan.peak, plan)),
        *(("", share) for share in words.shares(plan.peak, plan)),
    ]
    return [summary(facts), "", _techniques(report), "", _steps(report), *_front(report)]


def _techniques(report: Report) -> Any:
    from tvm_tiny.report import words

    headers = [("plan", "left"), ("SRAM", "right"), ("saves", "right")]
    rows = [
        (title, f"{size:,}", f"{saved:,}" if saved else "")
        for title, size, saved in words.techniques(report.plans)
    ]
    return listing(headers, rows)


def _steps(report: Report) -> Any:
    from tvm_tiny.report import words

    plan = report.chosen
    headers = [
        ("step", "right"),
        ("runs", "left"),
        ("from", "left"),
        ("to", "left"),
        ("rows", "right"),
        ("rings (rows x bytes)", "left"),
        ("scratch", "right"),
        ("in use", "right"),
        ("most at", "left"),
    ]
    rows = [
        (
            str(step.index),
            words.step_title(step),
            words.short(step.tensors[0]),
            words.short(step.tensors[-1]) if len(step.tensors) > 1 else "",
            f"{step.events:,}",
            words.rings(step, plan),
            f"{words.scratch(step, plan):,}" if step.scratch else "-",
            f"{step.peak.bytes:,}",
            words.moment(step),
        )
        for step in plan.steps
    ]
    return listing(headers, rows)


def _front(report: Report) -> list[Any]:
    if report.front is None:
        return []
    from tvm_tiny.report import words

    headers = [
        ("SRAM", "right"),
        ("rows in stages", "right"),
        ("extra MACs", "right"),
        ("steps", "left"),
    ]
    rows = [
        (f"{p.bytes:,}", f"{p.rows:,}", f"{p.extra_macs:,}", words.stages(p)) for p in report.front
    ]
    return ["", "SRAM against work:", listing(headers, rows)]
