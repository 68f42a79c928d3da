"""Kernels that need less memory: the same bytes, and only where memory is short."""

from __future__ import annotations

import numpy as np
import pytest
from int8_graphs import conv
from islands import calls, module
from test_select_kernels import same_bytes
from tvm import relax

from tvm_tiny import ops
from tvm_tiny.passes.partition_stages.scratch_levels import select_for
from tvm_tiny.planning.network import read_network
from tvm_tiny.planning.partition_search import Search
from tvm_tiny.schedules.packed.isa import ISAS
from tvm_tiny.transform import SelectKernels, StreamStages

SHAPE = (1, 9, 7, 8)


def narrow(call: relax.Call) -> relax.Call:
    """With weights that can be paired."""
    x, w, *rest = call.args
    weights = relax.const(np.maximum(w.value.numpy(), -127))
    return ops.call("qconv2d", [x, weights, *rest], **dict(call.attrs))


def chain(emit, x):
    a = emit(narrow(conv(x, 12, kernel=1)), name_hint="a")
    b = emit(narrow(conv(a, 12, groups=12, seed=1)), name_hint="b")
    c = emit(narrow(conv(b, 5, stride=2, seed=2)), name_hint="c")
    return emit(narrow(conv(c, 7, seed=3)), name_hint="d")


def scratch(selected) -> list[int]:
    return [n.operator.scratch for n in read_network(selected).nodes if n.operator is not None]


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("isa", ISAS)
def test_minimal_scratch_kernels_give_the_same_bytes(isa, level):
    mod = module(chain, SHAPE)
    fast = SelectKernels(isa)(mod)
    minimal = SelectKernels(isa, {}, dict.fromkeys("abcd", level))(mod)
    assert sum(scratch(minimal)) < sum(scratch(fast))
    same_bytes(mod, minimal, SHAPE)
    same_bytes(mod, StreamStages([("a", "d")])(minimal), SHAPE)


def test_dsp_needs_scratch_only_for_channels_that_are_no_words():
    minimal = SelectKernels("dsp", {}, dict.fromkeys("abcd", 1))(module(chain, SHAPE))
    assert [size > 0 for size in scratch(minimal)] == [False, False, False, True]
    assert [int(c.attrs.get("chunk", 0)) for c in calls(minimal)] == [0, 0, 0, 1]


def select(mod, isa, find, least=True):
    return select_for(mod, SelectKernels(isa), True, find, least=least)


@pytest.mark.parametrize("isa", ["dsp", "plain"])
def test_the_least_memory_is_less_with_minimal_scratch_kernels(isa):
    mod = module(chain, SHAPE)
    fast = Search(read_network(SelectKernels(isa)(mod))).least()
    assert select(mod, isa, lambda _, search: search.least()).partition.bytes < fast.bytes


def test_operators_keep_fast_kernels_where_there_is_room():
    """Layer by layer, c is the peak; the others have all the memory that they want."""
    found = select(module(chain, SHAPE), "dsp", lambda _, search: search.layers())
    assert {name for name in "abcd" if found.levels[name]} == {"c"}


@pytest.mark.parametrize(("budget", "arena"), [(856, 856), (1191, 856), (1192, 1192)])
def test_a_budget_is_spent_on_faster_kernels(budget, arena):
    """The same partition, with all of the memory that there is: c's fast kernel wants 336 more."""

    def accepts(_, search):
        return lambda found: found.bytes <= budget

    mod, kernels = module(chain, SHAPE), SelectKernels("dsp")
    found = select_for(mod, kernels, True, lambda _, s: s.layers(), accepts, least=True)
    assert found.partition.bytes == arena
    assert (found.levels["c"] == 0) == (budget >= 1192)


def test_a_budget_that_fast_kernels_meet_leaves_them():
    mod = module(chain, SHAPE)
    find = lambda _, search: search.within(1 << 20)  # noqa: E731
    assert set(select(mod, "dsp", find, least=False).levels.values()) == {0}


def test_minimal_scratch_kernels_meet_budgets_that_fast_ones_do_not():
    mod = module(chain, SHAPE)
    budget = Search(read_network(SelectKernels("dsp")(mod))).least().bytes - 1
    found = select(mod, "dsp", lambda _, search: search.within(budget), least=False)
    assert found.partition.bytes <= budget
    assert select(mod, "dsp", lambda _, search: search.within(64), least=False) is None


@pytest.mark.parametrize("isa", ISAS)
def test_a_budget_of_the_least_memory_is_met(isa):
    search = Search(read_network(SelectKernels(isa)(module(chain, SHAPE))))
    least = search.least().bytes
    assert search.within(least).bytes == least
    assert search.within(least - 1) is None
