"""Messages of errors that list several reasons."""

from __future__ import annotations

from tvm_tiny.errors import UnsupportedError, grouped


def test_reasons_that_differ_in_the_tensor_become_one_with_a_count():
    why = "the operator is not supported"
    error = UnsupportedError([f"GREATER (tensor '{name}'): {why}" for name in "cab"])
    assert str(error) == f"GREATER (tensor 'a' and 2 more): {why}"
    assert len(error.reasons) == 3


def test_other_operators_and_other_reasons_keep_an_entry_of_their_own():
    reasons = [
        "CUSTOM 'A' (tensor 'a'): not supported",
        "CUSTOM 'B' (tensor 'b'): not supported",
        "CUSTOM 'B' (tensor 'c'): its weights must be constants",
        "model input 'x': dynamic shape",
        "model input 'y': dynamic shape",
        "2 subgraphs",
    ]
    assert grouped(reasons) == [
        *reasons[:3],
        "model input 'x' and 1 more: dynamic shape",
        "2 subgraphs",
    ]


def test_a_name_may_hold_quotes_and_colons():
    reasons = ["ABS (tensor 'it's: a'): no", "ABS (tensor 'b'): no"]
    assert grouped(reasons) == ["ABS (tensor 'it's: a' and 1 more): no"]
