"""The generators themselves: repeatable, legal, and read by the reference."""

from __future__ import annotations

import pytest
import tflite
from modelgen import mutate, random_tflite


@pytest.mark.parametrize("operator", random_tflite.OPERATORS)
def test_single_operator_model_holds_that_operator(operator):
    for seed in range(5):
        data = random_tflite.single_op_model(operator, seed)
        model = tflite.Model.GetRootAsModel(data, 0)
        codes = {model.OperatorCodes(i).BuiltinCode() for i in range(model.OperatorCodesLength())}
        assert getattr(tflite.BuiltinOperator, operator) in codes
        assert len(codes) == 1 or operator == "SQUEEZE"


def test_a_seed_always_gives_the_same_model_and_inputs():
    for seed in range(20):
        data = random_tflite.random_model(seed)
        assert data == random_tflite.random_model(seed)
        first, second = (random_tflite.random_inputs(data, seed, 3) for _ in range(2))
        for a, b in zip(first, second, strict=True):
            assert [x.tobytes() for x in a] == [x.tobytes() for x in b]


def test_mutations_are_repeatable_labelled_and_differ_from_the_original():
    data = random_tflite.random_model(1)
    made = list(mutate.mutations(data, 7, 200))
    assert made == list(mutate.mutations(data, 7, 200))
    assert len(made) == 200
    assert all(label and content != data for label, content in made)
