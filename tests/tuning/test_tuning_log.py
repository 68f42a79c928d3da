"""Tuning logs: what is written is what is read, the best is chosen, and bad files are refused."""

from __future__ import annotations

import json
import os
from importlib.resources import files

import pytest
from jsonschema import Draft202012Validator

from tvm_tiny.aot.runtime_headers import with_parts
from tvm_tiny.errors import DataError
from tvm_tiny.schedules.packed.choice import Choice
from tvm_tiny.tuning import read_log, read_logs, versions
from tvm_tiny.tuning.log import Candidate, Log, Measured, Origin
from tvm_tiny.tuning.versions import kernels_version

DEFAULT, WIDE, WIDER = Choice(2, 2), Choice(2, 2, 4), Choice(2, 2, 8)
NEW = Origin("dsp", "mps2_an386", "gcc 12", kernels_version("dsp"))
OLD = Origin("dsp", "mps2_an386", "gcc 12", "0" * 16)
OTHER_BOARD = Origin("dsp", "mps2_an500", "gcc 12", kernels_version("dsp"))


def log_of(counts, origin=NEW, workload="w"):
    """counts: choice -> (instructions, scratch)."""
    log = Log()
    for choice, (instructions, scratch) in counts.items():
        measured = Measured(instructions, scratch, choice == DEFAULT)
        log.add(origin, Candidate(workload, choice), measured)
    return log


def saved(tmp_path, log, name="log.json"):
    log.save(tmp_path / name)
    return tmp_path / name


SOME = {DEFAULT: (100, 8), WIDE: (90, 32), WIDER: (80, 64)}


def test_what_is_saved_is_what_is_read(tmp_path):
    path = saved(tmp_path, log_of(SOME))
    assert list(read_log(path)) == list(log_of(SOME))
    text = (files("tvm_tiny") / "schemas" / "tuning_log.json").read_text(encoding="utf-8")
    Draft202012Validator(json.loads(text)).validate(json.loads(path.read_text()))


def test_the_file_does_not_depend_on_the_order_of_measurements(tmp_path):
    backwards = dict(reversed(list(SOME.items())))
    assert log_of(SOME).to_json() == log_of(backwards).to_json()


@pytest.mark.parametrize("isa", ["dsp", "mve", "plain"])
def test_the_version_of_the_kernels_depends_on_every_part_of_their_header(isa, monkeypatch):
    folder = files("tvm_tiny.runtime_c") / "include" / "tvm_tiny" / isa
    parts = [f"tvm_tiny/{isa}.h", *(f"tvm_tiny/{isa}/{part.name}" for part in folder.iterdir())]
    assert len(parts) > 5
    found = [kernels_version(isa)]
    for changed in parts:
        headers = with_parts([f"tvm_tiny/{isa}.h"])
        headers[changed] += b"/* changed */"
        monkeypatch.setattr(versions, "with_parts", lambda _, headers=headers: headers)
        found.append(kernels_version.__wrapped__(isa))
    assert len(set(found)) == len(parts) + 1


def test_a_file_that_cannot_be_replaced_stays_whole(tmp_path, monkeypatch):
    path = saved(tmp_path, log_of(SOME))
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DataError, match=r"cannot be written: No space left"):
        log_of({DEFAULT: (1, 1)}).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_logs_merge_and_the_later_one_counts(tmp_path):
    first = saved(tmp_path, log_of({DEFAULT: (100, 8), WIDE: (1, 32)}), "a.json")
    second = saved(tmp_path, log_of({WIDE: (120, 32), WIDER: (110, 64)}), "b.json")
    merged = read_logs([first, second])
    assert len(merged) == 3
    assert merged.choices("dsp") == {"w": DEFAULT}
    assert read_logs([second, first]).choices("dsp") == {"w": WIDE}


def test_the_fewest_instructions_win():
    assert log_of(SOME).choices("dsp") == {"w": WIDER}


def test_the_default_stays_where_nothing_beats_it():
    slower = {DEFAULT: (100, 8), WIDE: (101, 4), WIDER: (100, 4)}
    assert log_of(slower).choices("dsp") == {"w": DEFAULT}


def test_of_equal_ones_that_of_least_scratch_wins():
    assert log_of({DEFAULT: (100, 8), WIDE: (80, 32), WIDER: (80, 64)}).choices("dsp") == {
        "w": WIDE
    }


def test_scratch_is_counted_from_the_default():
    log = log_of(SOME)
    assert log.choices("dsp", scratch=0) == {}  # a build uses what is free, and the log does not
    assert log.choices("dsp", scratch=24) == {"w": WIDE}
    assert log.choices("dsp", scratch=56) == {"w": WIDER}


def test_without_the_default_nothing_is_chosen():
    assert log_of({WIDE: (1, 1)}).choices("dsp") == {}


def test_counts_of_the_board_asked_for_are_believed():
    log = log_of({DEFAULT: (100, 8), WIDE: (90, 32)})
    log.merge(log_of({DEFAULT: (100, 8), WIDE: (110, 32)}, OTHER_BOARD))
    assert log.choices("dsp", "mps2_an386") == {"w": WIDE}
    assert log.choices("dsp", "mps2_an500") == {"w": DEFAULT}


def test_counts_of_other_kernels_are_believed_only_where_there_are_no_new_ones():
    log = log_of({DEFAULT: (100, 8), WIDE: (1, 32)}, OLD)
    log.merge(log_of({DEFAULT: (100, 8), WIDE: (1, 32)}, OLD, "only old"))
    assert log.is_old("dsp")
    log.merge(log_of({DEFAULT: (100, 8), WIDE: (110, 32)}))
    assert not log.is_old("dsp")
    assert log.choices("dsp") == {"w": DEFAULT, "only old": WIDE}


def test_a_log_of_another_instruction_set_is_refused():
    with pytest.raises(DataError, match=r"nothing for the instruction set 'mve' \(it has dsp\)"):
        log_of(SOME).choices("mve")
    with pytest.raises(DataError, match=r"it has none"):
        Log().choices("dsp")


def entry(**changes):
    (first,) = json.loads(log_of({DEFAULT: (1, 1)}).to_json())["measurements"]
    return json.dumps(document(measurements=[{**first, **changes}]))


def document(**changes):
    return {**json.loads(Log().to_json()), **changes}


BAD = [
    ("{", "is no JSON"),
    ("[" * 100_000, "is no JSON"),
    ("[]", "is no tuning log"),
    ('{"kind": "else"}', "is no tuning log"),
    (json.dumps(document(version=7)), "is of version 7, this is for 1: tune again"),
    (json.dumps(document(measurements={})), "'measurements' is no list"),
    (json.dumps(document(measurements=[3])), "measurement 0 is no object"),
    (entry(isa="avx"), r"unknown instruction set 'avx': \(known: dsp, mve, plain\)"),
    (entry(board=None), "'board' is no string"),
    (entry(workload=3), "'workload' is no string"),
    (entry(default=1), "'default' is neither true nor false"),
    (entry(instructions=-1), "'instructions' is no whole number"),
    (entry(instructions=True), "'instructions' is no whole number"),
    (entry(scratch_bytes=1.5), "'scratch_bytes' is no whole number"),
    (entry(choice=None), "'choice' does not have the fields pixels, filters, chunk"),
    (entry(choice={"pixels": 2, "filters": 2}), "'choice' does not have the fields"),
    (entry(choice={"pixels": 9, "filters": 2, "chunk": 1}), "no choice of 'dsp'"),
    (entry(choice={"pixels": 2, "filters": 2, "chunk": 0}), "no choice of 'dsp'"),
    (entry(choice={"pixels": 1, "filters": 2, "chunk": 2}), "'dsp' does not widen filters"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_bad_log_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as error:
        read_log(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_log(tmp_path / "none.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is no JSON"):
        read_log(tmp_path / "bytes.json")
