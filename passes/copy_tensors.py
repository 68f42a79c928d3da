"""CopyTensors: tensors are copied to a second place in memory."""

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
    """Copy each named tensor after it is computed, and let its readers read the copy.

    Before::

        y = tvm_tiny.qadd(a, b, ...); z = tvm_tiny.qconv2d(y, ...)

    After::

        y = tvm_tiny.qadd(a, b, ...); y_copy = tvm_tiny.copy(y); z = tvm_tiny.qconv2d(y_copy, ...)

    A copy may overlap its source, some bytes above or below it. So a tensor can first lie where
    the stage that computes it has room, and then where the stage that reads it has room.

    names: the tensors to copy.

    Requires: integer operators in main.
    Ensures: the same bytes at all outputs.
    Does nothing when: main computes none of the named tensors.
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
    """Yield each tensor that may be copied between two steps, and the partition with it.

    Only `ranges` and `policies` of such a partition are valid; its bytes have to be found again.
    """
    for position, (_, last) in enumerate(partition.ranges[:-1]):
        crossing = [t for t, node in network.used.items() if network.made.get(t, -1) <= last < node]
        if len(crossing) == 1 and network.made.get(crossing[0]) == last:
            yield network.nodes[last].name, _with_step(partition, position)


def _with_step(partition: Partition, position: int) -> Partition:
    """The partition with one more operator, as a step of its own, after step `position`."""
    end = partition.ranges[position][1] + 1
    later = {r: (r[0] + 1, r[1] + 1) for r in partition.ranges[position + 1 :]}
    ranges = *partition.ranges[: position + 1], (end, end), *later.values()
    policies = {later.get(stage, stage): policy for stage, policy in partition.policies.items()}
    return replace(partition, ranges=ranges, policies=policies)
