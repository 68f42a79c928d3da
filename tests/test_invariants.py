import pytest
import tvm
from modelgen import random_tflite

from tvm_tiny import invariants, pipeline
from tvm_tiny.frontend.tflite import from_tflite

NAMES = [step.info.name for step in pipeline().passes]


@pytest.mark.parametrize("seed", range(4))
def test_every_pass_ensures_what_it_promises(seed):
    mod = from_tflite(random_tflite.random_model(seed))
    with tvm.transform.PassContext(instruments=[invariants.CheckInvariants()]):
        pipeline()(mod)


@pytest.mark.parametrize("position", range(len(NAMES)), ids=NAMES)
def test_no_pass_changes_the_module_it_is_given(position):
    mod = from_tflite(random_tflite.random_model(2))
    for step in pipeline().passes[:position]:
        mod = step(mod)
    before = tvm.ir.load_json(tvm.ir.save_json(mod))
    pipeline().passes[position](mod)
    tvm.ir.assert_structural_equal(mod, before)


def test_every_pass_of_the_pipeline_has_its_invariants():
    assert set(NAMES) == set(invariants.ENSURED)


def test_a_broken_promise_names_pass_check_and_tensor():
    mod = pipeline().passes[0](from_tflite(random_tflite.single_op_model("ADD", 1)))
    mod = pipeline().passes[1](mod)
    with pytest.raises(invariants.InvariantError, match=r"LowerQDQ, no_islands: tensor '"):
        invariants.verify(mod, "tvm_tiny.LowerQDQ")
