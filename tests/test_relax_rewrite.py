"""Writing a function anew leaves nothing behind where it fails."""

from __future__ import annotations

import gc

import pytest
from islands import island
from tvm import relax
from tvm.relax.expr_functor import PyExprMutator, mutator

from tvm_tiny.relax_rewrite import mutate_main, rebuild_main, results_of


def give_up(*_):
    raise ValueError("given up")


@mutator
class GivesUp(PyExprMutator):
    """Raises at the first call."""

    def visit_call_(self, call):
        give_up()


def by_bindings(mod):
    main = mod["main"]
    return rebuild_main(mod, main.params, {p: p for p in main.params}, results_of(main), give_up)


@pytest.mark.parametrize("rewrite", [lambda mod: mutate_main(mod, GivesUp(mod)), by_bindings])
def test_a_rewrite_that_fails_prints_nothing_of_tvms(rewrite, capfd):
    with pytest.raises(ValueError, match="given up"):
        rewrite(island(relax.op.nn.relu, (2, 3)))
    gc.collect()  # the builder is destroyed here at the latest
    assert capfd.readouterr().err == ""
