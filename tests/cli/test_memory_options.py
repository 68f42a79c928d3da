"""Budgets, searches, stages and proofs on the command line, on a network that gains by them."""

from __future__ import annotations

import re

import pytest
from modelgen.inverted_residual import inverted_residual

from tvm_tiny.archive.reader import open_archive
from tvm_tiny.errors import PlanError

LAYERS = 7576  # bytes, layer by layer


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "small.tflite"
    path.write_bytes(inverted_residual())
    return path


@pytest.fixture
def compiled(cli, check, network, tmp_path):
    """`compiled("--minimize", "sram")` -> the JSON of compile."""

    def run(*arguments):
        result = cli("compile", network, "-o", tmp_path / "m.tar", *arguments, "--json")
        assert result.code == 0, result
        check("compile", result.json)
        return result.json

    return run


def names(cli, network):
    """Results of the layers, in order."""
    document = cli("analyze", network, "--json").json
    return [op["tensor"] for op in document["operators"]]


def test_a_budget_that_layers_meet_makes_no_stages(compiled):
    document = compiled("--sram", "8K")
    assert document["arena_bytes"] == LAYERS
    assert document["stages"] == []


def test_a_smaller_budget_makes_as_many_stages_as_it_takes(compiled):
    least = compiled("--minimize", "sram")
    document = compiled("--sram", "4K")
    assert least["arena_bytes"] < document["arena_bytes"] <= 4096
    assert 0 < sum(document["stages"]) < sum(least["stages"])


def test_a_budget_that_streaming_misses_takes_tiles(compiled):
    least = compiled("--minimize", "sram")
    document = compiled("--sram", least["arena_bytes"] - 100)
    assert document["arena_bytes"] <= least["arena_bytes"] - 100
    assert document["extra_macs"] > least["extra_macs"] == 0


def test_a_budget_that_nothing_fits_says_what_would(cli, compiled, network, tmp_path):
    result = cli("compile", network, "-o", tmp_path / "none.tar", "--sram", 1000)
    assert result.code == 5
    needed = int(re.search(r"needs (\d+) bytes of SRAM", result.error)[1])
    assert not (tmp_path / "none.tar").exists()
    assert compiled("--sram", needed)["arena_bytes"] <= needed


def test_a_streamed_input_needs_less_still(compiled):
    whole, streamed = (
        compiled("--minimize", "sram"),
        compiled("--minimize", "sram", "--stream-input"),
    )
    assert not whole["stream_input"]
    assert streamed["stream_input"]
    assert streamed["arena_bytes"] < whole["arena_bytes"]


def test_stages_by_name_or_how_names_begin(cli, compiled, network):
    _, expansion, _, projection, *_ = names(cli, network)
    whole = compiled("--stages", f"{expansion}..{projection}")
    begin = compiled("--stages", f" {expansion} ..{projection[:-1]}")
    assert whole["stages"] == begin["stages"] == [3]
    assert whole["arena_bytes"] < LAYERS


def test_names_of_stages_that_are_unknown_or_of_several_are_6(cli, network):
    unknown = cli("compile", network, "--stages", "model/conv_9..model/mean_15")
    assert unknown.code == 6
    assert "no operator makes 'model/conv_9'" in unknown.error
    assert "did you mean" in unknown.error
    several = cli("compile", network, "--stages", "model/..model/mean_15")
    assert several.code == 6
    assert "names begin with 'model/'" in several.error


@pytest.mark.parametrize("stages", ["a", "..b", "a..", "a..b,"])
def test_what_is_no_list_of_stages_is_6(cli, network, stages):
    result = cli("compile", network, "--stages", stages)
    assert result.code == 6
    assert "is not FIRST..LAST" in result.error


def test_stages_given_are_not_searched_as_well(cli, network):
    result = cli("compile", network, "--stages", "a..b", "--minimize", "sram")
    assert result.code == 6
    assert "--stages and --minimize" in result.error


def test_sizes_that_are_none_are_2(cli, network):
    result = cli("compile", network, "--sram", "12Q")
    assert result.code == 2
    assert "'12Q' is not a size" in result.error


def test_a_plan_is_proved(cli, compiled, network):
    proof = compiled("--minimize", "sram", "--check-plan")["plan_proof"]
    assert proof["reads"] > proof["writes"] > 0
    assert compiled()["plan_proof"] is None
    assert "memory plan proved" in cli("analyze", network, "--check-plan").out


def test_a_wrong_plan_is_9_and_nothing_is_written(cli, check, network, tmp_path, monkeypatch):
    def refuse(mod, driver):
        raise PlanError("tensor 'b' overwrites byte 3 of tensor 'a'")

    monkeypatch.setattr("tvm_tiny.checker.check_plan", refuse)
    path = tmp_path / "m.tar"
    result = cli("compile", network, "-o", path, "--check-plan", "--json")
    assert result.code == 9
    check("error", result.json)
    assert result.json["error"]["class"] == "PlanError"
    assert not path.exists()


def test_verify_takes_stages_too(cli, check, network):
    result = cli("verify", network, "--minimize", "sram", "--check-plan", "--count", 1, "--json")
    assert result.code == 0, result
    check("verify", result.json)
    assert result.json["equal"]
    assert result.json["arena_bytes"] < LAYERS
    assert result.json["plan_proof"]["arena_bytes"] == result.json["arena_bytes"]


def test_what_was_compiled_in_stages_runs(cli, compiled, tmp_path):
    compiled("--minimize", "sram", "--stream-input")
    with open_archive(tmp_path / "m.tar"):
        assert cli("run", tmp_path / "m.tar").code == 0


def test_ir_is_dumped_once_where_stages_are_named(cli, compiled, network, tmp_path):
    _, expansion, _, projection, *_ = names(cli, network)
    compiled("--stages", f"{expansion}..{projection}", "--dump-ir", tmp_path / "ir")
    files = [path.name for path in (tmp_path / "ir").iterdir()]
    assert len([name for name in files if name.endswith("_LowerQDQ.py")]) == 1


@pytest.fixture
def board(tmp_path):
    path = tmp_path / "board.toml"
    pools = [f'[[pool]]\nname = "{name}"\nsize = {size}\n' for name, size in POOLS.items()]
    path.write_text("".join(pools))
    return path


POOLS = {"fast": 3000, "slow": 20_000}


def test_pools_of_a_board(cli, check, compiled, network, board):
    pools = compiled("--pools", board)["pools"]
    assert {pool["name"]: pool["size"] for pool in pools} == POOLS
    assert all(0 < pool["bytes"] <= pool["size"] for pool in pools)
    document = cli("report", network, "--pools", board, "--no-pareto", "--json").json
    check("report", document)
    assert document["options"]["pools"] == POOLS
    assert cli("verify", network, "--pools", board, "--count", 1).code == 0
    assert "bytes of fast and" in cli("analyze", network, "--pools", board).out


def test_what_is_no_board_is_6(cli, network, tmp_path):
    result = cli("compile", network, "--pools", tmp_path / "none.toml")
    assert result.code == 6
    assert "memory file" in result.error
