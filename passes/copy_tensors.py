"""CopyTensors: tensors get a second place in memory, where one does not suit all their users."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

import tvm
from tvm import relax
from tvm.ir import Expr, IRModule

from tvm_tiny import ops
from tvm_tiny.planning.network import Network
from tvm_tiny.planning.partition import Partition
from tvm_tiny.relax_rewrite import Binding, bindings_of, emit_named, rebuild_main, results_of


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.CopyTensors")
class CopyTensors:
    """Copy tensors once they are made, for all that read them.

    Before::

        y = tvm_tiny.qadd(a, b, ...); z = tvm_tiny.qconv2d(y, ...)

    After::

        y = tvm_tiny.qadd(a, b, ...); y_copy = tvm_tiny.copy(y); z = tvm_tiny.qconv2d(y_copy, ...)

    A copy may lie over what it is made from, some bytes further up or down; so a tensor can be
    where the stage that makes it has room for it, and then where the next one has.

    names: of the tensors.

    Requires: integer operators in main.
    Ensures: the same bytes.
    Does nothing when: main makes none of them.
    """

    def __init__(self, names: Collection[str]) -> None:
        self.names = frozenset(names)

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Rewrite main; the module given is not changed."""

        def emit(builder: relax.BlockBuilder, binding: Binding, value: Expr) -> Expr | None:
            if binding.var.name not in self.names:
                return None
            made = emit_named(builder, binding.var.name, value)
            copy = ops.call("copy", [made], dtype=str(binding.var.ty.dtype))
            return emit_named(builder, f"{binding.var.name}_copy", copy)

        main = mod["main"]
        if not any(b.var.name in self.names for b in bindings_of(main)):
            return mod
        env = {param: param for param in main.params}
        return rebuild_main(mod, list(main.params), env, results_of(main), emit)


def copied(network: Network, partition: Partition) -> Iterator[tuple[str, Partition]]:
    """Tensors that may be copied between two steps, and the steps that this gives.

    Of the partition only the ranges and forms are what they will be.
    """
    for position, (_, last) in enumerate(partition.ranges[:-1]):
        crossing = [t for t, node in network.used.items() if network.made.get(t, -1) <= last < node]
        if len(crossing) == 1 and network.made.get(crossing[0]) == last:
            yield network.nodes[last].name, _with_step(partition, position)


def _with_step(partition: Partition, position: int) -> Partition:
    """With one more operator, a step of its own, behind the step at `position`."""
    end = partition.ranges[position][1] + 1
    later = {r: (r[0] + 1, r[1] + 1) for r in partition.ranges[position + 1 :]}
    ranges = *partition.ranges[: position + 1], (end, end), *later.values()
    forms = {later.get(stage, stage): form for stage, form in partition.forms.items()}
    return replace(partition, ranges=ranges, forms=forms)
