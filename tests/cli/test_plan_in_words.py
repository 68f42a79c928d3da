"""What analyze and report say of a plan."""

from __future__ import annotations

import itertools
import json

import pytest
from modelgen.inverted_residual import inverted_residual

STREAMED = ("--minimize", "sram", "--stream-input")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "small.tflite"
    path.write_bytes(inverted_residual())
    return path


def test_analyze_tells_what_each_technique_saves(cli, check, network):
    document = cli("analyze", network, *STREAMED, "--json").json
    check("analyze", document)
    techniques = document["plan"]["techniques"]
    assert [t["key"] for t in techniques] == ["apart", "overlap", "stages", "pushed"]
    assert techniques[0]["saved_bytes"] == 0
    for before, after in itertools.pairwise(techniques):
        assert after["saved_bytes"] == before["arena_bytes"] - after["arena_bytes"] > 0
    assert techniques[-1]["arena_bytes"] == document["totals"]["arena_bytes"]


def test_analyze_in_words(cli, network):
    text = cli("analyze", network, *STREAMED).out
    assert "proven: no plan of these steps is smaller" in text
    assert "every tensor apart" in text
    assert "13,312" in text
    assert "input pushed row by row" in text
    assert "3x384" in text  # three rows of 16 x 24 channels
    assert "SRAM against work" not in text


def test_steps_have_their_operators_line_buffers_and_peaks(cli, network):
    plan = cli("analyze", network, "--minimize", "sram", "--json").json["plan"]
    (stage,) = (step for step in plan["steps"] if step["kind"] == "stage")
    assert {"rows": 3, "row_bytes": 384} in [
        {key: ring[key] for key in ("rows", "row_bytes")} for ring in stage["rings"]
    ]
    assert stage["peak"]["bytes"] == plan["peak"]["bytes"]
    assert stage["peak"]["tensor"] in [o["tensor"] for o in stage["operators"]]
    assert all(part["low"] < part["high"] for part in plan["peak"]["live"])


def test_the_trade_is_searched_if_asked(cli, check, network):
    document = cli("analyze", network, "--pareto", "--json").json
    check("analyze", document)
    assert next(point["stages"] for point in document["pareto"]) == []
    assert "layer by layer" in cli("analyze", network, "--pareto").out
    assert cli("analyze", network, "--json").json["pareto"] is None


def test_report_on_the_terminal(cli, check, network):
    text = cli("report", network, *STREAMED).out
    assert "every tensor apart" in text
    assert "SRAM against work" in text
    document = cli("report", network, *STREAMED, "--json").json
    check("report", document)
    assert document["output"] is None


def test_report_writes_a_page(cli, network, tmp_path):
    path = tmp_path / "report.html"
    result = cli("report", network, "-o", path)
    assert result.code == 0
    assert f"wrote {path}" in result.out
    first = path.read_bytes()
    assert first.startswith(b"<!DOCTYPE html>")
    assert str(network.parent).encode() not in first
    assert cli("report", network, "-o", path).code == 0
    assert path.read_bytes() == first


@pytest.mark.parametrize("arguments", [("-o", "r.json"), ("-o", "r", "--format", "json")])
def test_report_writes_its_numbers(cli, network, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    document = cli("report", network, *arguments, "--no-pareto", "--json").json
    written = json.loads((tmp_path / arguments[1]).read_text(encoding="utf-8"))
    assert written == {k: v for k, v in document.items() if k not in ("output", "warnings")}
    assert written["pareto"] is None


@pytest.mark.parametrize(
    ("output", "message"),
    [("/nonexistent/r.html", "does not exist"), ("/", "is a folder"), ("/proc/r", "written")],
)
def test_reports_that_cannot_be_written_are_6(cli, network, output, message):
    result = cli("report", network, "--no-pareto", "-o", output)
    assert result.code == 6
    assert message in result.error


def test_the_model_is_not_overwritten_by_its_report(cli, network):
    before = network.read_bytes()
    assert cli("report", network, "-o", network).code == 6
    assert network.read_bytes() == before


def test_a_format_needs_a_file(cli, network):
    assert "-o" in cli("report", network, "--format", "html").error


def test_stages_in_tiles_are_told(cli, check, network):
    document = cli("analyze", network, "--sram", "2000", "--json").json
    check("analyze", document)
    (stage,) = (step for step in document["plan"]["steps"] if step["tiles"] != [1, 1])
    assert document["totals"]["extra_macs"] == stage["extra_macs"] > 0
    check("report", cli("report", network, "--sram", "2000", "--json").json)
    assert "more in tiles" in cli("analyze", network, "--sram", "2000").out
