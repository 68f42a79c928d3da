"""Instruction counts against the recorded ones, and the tables they are shown in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from benchmarks import __main__ as command
from benchmarks import documents, measure, records
from benchmarks.cases import (
    DIGITS,
    LAYERS,
    LEAST,
    MODELS,
    PORTABLE,
    QUICK,
    Case,
    all_cases,
    jobs_of,
    select,
)
from benchmarks.measure import Figure, Result, Samples
from benchmarks.tables import tables

KWS = Case("kws_ref_model", "mps2_an386", LAYERS)
FIGURE = Figure(instructions=4_000_000, arena=9_128, flash=35_515, stack=200)


def result(instructions: int, case: Case = KWS) -> Result:
    return Result(case, replace(FIGURE, instructions=instructions))


@pytest.mark.parametrize(("instructions", "lines"), [(4_080_000, 0), (4_080_001, 1), (1, 0)])
def test_two_percent_more_are_allowed(instructions, lines):
    assert len(records.slower({KWS: FIGURE}, [result(instructions)])) == lines


def test_slower_figures_are_named():
    assert records.slower({KWS: FIGURE}, [result(4_400_000)]) == [
        "kws_ref_model mps2_an386 layers: 4,400,000 instructions, "
        "10.0% more than the recorded 4,000,000"
    ]
    assert "none recorded" in records.slower({}, [result(1)])[0]


def test_more_than_the_share_of_the_portable_kernels_is_named():
    case = Case("kws_ref_model", "mps2_an385", LAYERS)
    figures = {case: FIGURE, replace(case, form=PORTABLE): replace(FIGURE, instructions=6_000_000)}
    assert records.against_portable(figures) == {case: pytest.approx(2 / 3)}
    assert len(records.not_faster(figures)) == 1
    figures[case] = replace(FIGURE, instructions=3_600_000)
    assert records.not_faster(figures) == []


def test_figures_are_saved_sorted_and_read_back(tmp_path):
    path = tmp_path / "figures.json"
    figures = {replace(KWS, form=LEAST): FIGURE, KWS: replace(FIGURE, stack=1)}
    records.save({"gcc": "12"}, figures | {replace(KWS, model="gone"): FIGURE}, path)
    assert records.load(path) == ({"gcc": "12"}, figures)
    records.save({"gcc": "12"}, dict(reversed(figures.items())), tmp_path / "again.json")
    assert path.read_bytes() == (tmp_path / "again.json").read_bytes()


def test_tables_show_ratios_to_the_peers():
    m4, engine = tables({KWS: FIGURE, replace(KWS, model="ad01_int8"): FIGURE}, None)
    assert m4.rows[1] == (
        *("kws_ref_model (KWS)", "layers", "4,000,000", "1.51", "7.847 M", "0.51"),
        *("9,128", "0.40", "35,515", "0.25", "200"),
    )
    assert engine.rows[0][3:7] == ("0.802 M", "4.99", "0.802 M", "")  # nothing measured on M7


def test_seconds_are_a_last_column():
    (table,) = tables({KWS: FIGURE}, {KWS: 1.25})
    assert (table.columns[-1], table.rows[0][-1]) == ("compile s", "1.2")


def test_what_has_no_peer_has_no_ratio():
    case = replace(KWS, model="mbv2-w0.35")
    (table,) = tables({case: FIGURE})
    assert [table.rows[0][column] for column in (4, 5, 7, 9)] == [""] * 4


def test_documents_change_between_markers_only():
    text = "a\n<!-- figures: mps2_an386 -->\nold\n<!-- end -->\nb <!-- figures: tools -->\n"
    new = documents.with_tables(text, {}, {KWS: FIGURE})
    assert new.startswith("a\n<!-- figures: mps2_an386 -->\n| model |")
    assert "old" not in new
    assert new.endswith("|\n<!-- end -->\nb <!-- figures: tools -->\n")
    assert documents.with_tables(new, {}, {KWS: FIGURE}) == new


@pytest.mark.parametrize("path", documents.DOCUMENTS, ids=lambda path: path.name)
def test_documents_show_the_recorded_figures(path):
    text = path.read_text(encoding="utf-8")
    assert documents.with_tables(text, *records.load()) == text, "run scripts/bench --update"


def test_every_case_is_recorded():
    assert set(records.load()[1]) == set(all_cases())


def test_recorded_plain_kernels_need_little_of_the_portable_ones():
    figures = records.load()[1]
    assert len(records.against_portable(figures)) == 7
    assert records.not_faster(figures) == []


def test_boards_with_the_same_micro_kernels_share_a_compilation():
    jobs = jobs_of(select(all_cases(), ["kws"], None))
    assert [(job.form, job.kernels, job.boards) for job in jobs] == [
        (LAYERS, "dsp", ("mps2_an386", "mps2_an500")),
        (LAYERS, "mve", ("mps3_an547",)),
        (LAYERS, "plain", ("microbit", "mps2_an385", "riscv32")),
        (LEAST, "dsp", ("mps2_an386",)),
        (LEAST, "mve", ("mps3_an547",)),
        (PORTABLE, "portable", ("microbit", "mps2_an385")),
    ]
    assert sum(len(job.boards) for job in jobs_of(all_cases())) == len(all_cases())


def test_outputs_that_differ_are_found():
    expected = np.array([[0, 4, 1]])
    exact = Samples(expected, expected, exact=True)
    near = replace(exact, exact=False)
    assert measure.difference(expected, exact, None) == ""
    assert "bit for bit" in measure.difference(expected + 1, exact, None)
    assert measure.difference(expected + 3, near, 1.0) == ""
    assert "4.0 steps" in measure.difference(expected + 4, near, 1.0)
    assert "class" in measure.difference(np.array([[0, 3, 3.5]]), near, 1.0)


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Results that the command is made to find; 4,000,000 instructions are recorded of KWS."""
    results: list[Result] = []
    (tmp_path / "models").mkdir()
    monkeypatch.setattr(command, "SHARED", tmp_path)
    monkeypatch.setattr(command, "measure_all", lambda jobs: iter(results))
    monkeypatch.setattr(records, "tool_versions", lambda boards: {})
    monkeypatch.setattr(records, "load", lambda: ({}, {KWS: FIGURE}))
    return results


def test_check_fails_on_a_slower_figure(measured, capsys):
    measured.append(result(4_000_000))
    assert command.main(["--check"]) == 0
    measured[0] = result(4_200_000)
    assert command.main([]) == 0
    assert "SLOWER" not in capsys.readouterr().out
    assert command.main(["--check"]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if "SLOWER" in line]
    assert len(lines) == 1
    assert "5.0% more" in lines[0]


def test_wrong_outputs_fail_and_are_not_recorded(measured, capsys, monkeypatch):
    monkeypatch.setattr(records, "save", lambda *_: pytest.fail("recorded"))
    measured.append(Result(KWS, None, "its outputs are wrong", wrong=True))
    assert command.main(["--update"]) == 1
    assert "WRONG: kws_ref_model mps2_an386 layers: its outputs" in capsys.readouterr().out


def test_update_keeps_what_was_not_measured(measured, monkeypatch):
    other = replace(KWS, model="vww_96_int8")
    measured.append(result(5_000_000, other))
    saved = []
    monkeypatch.setattr(records, "save", lambda tools, figures: saved.append(figures))
    monkeypatch.setattr(documents, "update", lambda tools, figures: None)
    assert command.main(["--update"]) == 0
    assert saved == [{KWS: FIGURE, other: measured[0].figure}]


def test_without_models_the_command_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "SHARED", tmp_path)
    assert command.main([]) == 0
    assert capsys.readouterr().out.count("\n") == 1


def check(job, model_path) -> None:
    """Measures, and fails with what to do where a count is worse than it may be."""
    if job.model != DIGITS:
        model_path(MODELS[job.model].file)
    tools, recorded = records.load()
    for line in records.other_tools(tools, records.tool_versions(job.boards)):
        pytest.skip(f"counts are of other tools: {line}")
    results = measure.measure(job)
    assert [r for r in results if r.figure is None] == []
    assert not (lines := records.slower(recorded, results)), (
        f"{'; '.join(lines)}. Find where with `tvm-tiny profile` (docs/profile.md); if it is worth "
        f"it, `scripts/bench --models {job.model} --update`, and say why in the commit"
    )


@pytest.mark.models
@pytest.mark.qemu
@pytest.mark.parametrize("job", jobs_of(QUICK), ids=str)
def test_counts_are_not_above_the_recorded(job, model_path):
    check(job, model_path)


@pytest.mark.slow
@pytest.mark.models
@pytest.mark.qemu
@pytest.mark.parametrize("job", jobs_of(set(all_cases()) - QUICK), ids=str)
def test_all_other_counts_are_not_above_the_recorded(job, model_path):
    check(job, model_path)
