"""A mutator, which makes a new candidate by changing one decision."""

from __future__ import annotations

import numpy as np
from tvm.ir.utils import derived_object
from tvm.s_tir.meta_schedule.mutator import PyMutator
from tvm.s_tir.schedule import Instruction, Trace


@derived_object
class Redecide(PyMutator):
    """Changes the value of one categorical decision of a trace."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self.random = np.random.default_rng(seed)

    def _initialize_with_tune_context(self, context: object) -> None:
        pass

    def apply(self, trace: Trace, _: object) -> Trace | None:
        """See PyMutator. None where no decision has another value."""
        open_ = [
            (decision, others)
            for decision in trace.decisions
            if decision.kind.name == "SampleCategorical"
            and (others := self._others(trace, decision))
        ]
        if not open_:
            return None
        decision, others = open_[self.random.integers(len(open_))]
        value = others[self.random.integers(len(others))]
        return trace.with_decision(decision, value, remove_postproc=True)

    def _others(self, trace: Trace, decision: Instruction) -> list[int]:
        count = len(decision.attrs[0])
        return [k for k in range(count) if k != int(trace.decisions[decision])]

    def clone(self) -> Redecide:
        """See PyMutator."""
        return Redecide(self.seed)
