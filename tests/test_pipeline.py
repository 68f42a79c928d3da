import numpy as np
import pytest
import tvm
from modelgen import random_tflite
from tvm import relax

import tvm_tiny
from tvm_tiny.errors import BudgetError, DataError
from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.reference import TFLiteReference


def run(mod, inputs):
    machine = relax.VirtualMachine(relax.build(mod, "llvm"), tvm.cpu())
    result = machine["main"](*map(tvm.runtime.tensor, inputs))
    return [result.numpy()] if hasattr(result, "numpy") else [t.numpy() for t in result]


def test_relax_finds_the_pipeline_by_name():
    mod = from_tflite(random_tflite.single_op_model("CONV_2D", 3))
    by_name = relax.get_pipeline("tvm_tiny")(mod)
    tvm.ir.assert_structural_equal(by_name, tvm_tiny.pipeline()(mod))


# Those with options have stages of several operators.
@pytest.mark.parametrize(
    ("seed", "options"),
    [
        *((seed, {}) for seed in (40, 41, 42)),
        *((seed, {"minimize": True}) for seed in (43, 49)),
        *((seed, {"minimize": True, "stream_input": True}) for seed in (59, 63)),
    ],
)
def test_after_every_integer_pass_the_module_gives_the_reference_bytes(seed, options):
    model = random_tflite.random_model(seed, max_ops=3)
    reference = TFLiteReference(model)
    inputs = random_tflite.random_inputs(model, 0, 3)[2]
    tensors = reference.run(inputs)
    expected = [tensors[o.name] for o in reference.outputs]
    mod, names = from_tflite(model), []
    for step in tvm_tiny.pipeline(fold_edges=False, **options).passes:
        mod = step(mod)
        names.append(step.info.name)
        if "tvm_tiny.LowerQDQ" in names:
            for got, want in zip(run(mod, inputs), expected, strict=True):
                np.testing.assert_array_equal(got, want, err_msg=f"after {step.info.name}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stages": [("a", "b")], "minimize": True}, "leave out minimize"),
        ({"stream_input": True, "io_in_arena": False}, "leave out --no-io-in-arena"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        tvm_tiny.pipeline(**options)


@pytest.mark.parametrize("memory", ["sram", "flash"])
def test_a_budget_too_small_says_what_is_needed(memory):
    mod = from_tflite(random_tflite.single_op_model("CONV_2D", 3))
    with pytest.raises(BudgetError, match=rf"needs \d+ bytes of .*the budget is 1: .*--{memory}"):
        tvm_tiny.build(mod, **{memory: 1})


@pytest.mark.parametrize("name", ["3d", "a-b", "", "a b", 3, None])
def test_a_name_that_is_no_identifier_is_refused(name):
    mod = from_tflite(random_tflite.single_op_model("ADD", 1))
    with pytest.raises(DataError, match="is not a C identifier"):
        tvm_tiny.build(mod, name=name)
