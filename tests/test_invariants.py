import pytest
import tvm
from aot.relax_models import network
from modelgen import random_tflite
from tvm.ir.instrument import pass_instrument

from tvm_tiny import invariants, pipeline, transform
from tvm_tiny.frontend.tflite import from_tflite

NAMES = [step.info.name for step in pipeline().passes]


@pass_instrument
class Passes:
    """Names of tvm_tiny's passes that have run."""

    def __init__(self):
        self.names = set()

    def run_after_pass(self, mod, info):
        if info.name.startswith("tvm_tiny."):
            self.names.add(info.name)


@pytest.mark.parametrize("minimize", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_every_pass_ensures_what_it_promises(seed, minimize):
    mod = from_tflite(random_tflite.random_model(seed))
    with tvm.transform.PassContext(instruments=[invariants.CheckInvariants()]):
        pipeline(minimize=minimize)(mod)


@pytest.mark.parametrize("position", range(len(NAMES)), ids=NAMES)
def test_no_pass_changes_the_module_it_is_given(position):
    mod = from_tflite(random_tflite.random_model(2))
    passes = pipeline(minimize=True).passes
    for step in passes[:position]:
        mod = step(mod)
    before = tvm.ir.load_json(tvm.ir.save_json(mod))
    passes[position](mod)
    tvm.ir.assert_structural_equal(mod, before)


def test_every_pass_has_its_invariants():
    assert {f"tvm_tiny.{name}" for name in transform.__all__} == set(invariants.ENSURED)
    assert set(NAMES) <= set(invariants.ENSURED)


def test_passes_that_a_pass_runs_are_checked_too():
    ran = Passes()
    with tvm.transform.PassContext(instruments=[ran, invariants.CheckInvariants()]):
        pipeline(minimize=True, stream_input=True)(network())
    inner = {"StreamInput", "RunningSums", "SubsampleShortcuts"}
    assert {f"tvm_tiny.{name}" for name in inner} <= ran.names - set(NAMES)


def test_a_broken_promise_names_pass_check_and_tensor():
    mod = pipeline().passes[0](from_tflite(random_tflite.single_op_model("ADD", 1)))
    mod = pipeline().passes[1](mod)
    with pytest.raises(invariants.InvariantError, match=r"LowerQDQ, no_islands: tensor '"):
        invariants.verify(mod, "tvm_tiny.LowerQDQ")
