from __future__ import annotations

import pytest
import tvm
from aot.edge_models import EDGE_MODELS
from tvm import relax

from tvm_tiny.transform import FoldEdges, LowerQDQ, MaterializeOutputs


def lowered(name: str) -> tvm.IRModule:
    return tvm.transform.Sequential([FoldEdges(), LowerQDQ()])(EDGE_MODELS[name]())


def copies(mod: tvm.IRModule) -> int:
    return mod["main"].script(show_meta=True).count("tvm_tiny.copy")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("two_inputs", 0),
        ("identity", 1),
        ("constant_outputs", 2),
        ("no_inputs", 1),
        # y, y, x and a reshape of y.
        ("repeated_outputs", 3),
        ("repeated_tuple_items", 1),
    ],
)
def test_outputs_that_share_memory_are_copied(name, expected):
    before = lowered(name)
    after = MaterializeOutputs()(before)
    relax.analysis.well_formed(after)
    assert copies(after) == expected
    assert len(after["main"].params) == len(before["main"].params)


def test_nothing_changes_where_nothing_is_shared():
    mod = lowered("network")
    tvm.ir.assert_structural_equal(MaterializeOutputs()(mod), mod)


def test_the_given_module_is_not_changed():
    mod = lowered("identity")
    before = mod.script()
    MaterializeOutputs()(mod)
    assert mod.script() == before
