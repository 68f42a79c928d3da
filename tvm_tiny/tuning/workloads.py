"""The workloads of a model: its convolutions and dense layers, each once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tvm import relax
from tvm.ir import Call, GenericConst, IRModule

from tvm_tiny.passes.select_kernels import SelectKernels, workload
from tvm_tiny.pipeline import operators_pipeline
from tvm_tiny.relax_rewrite import bindings_of
from tvm_tiny.schedules.packed.choice import Choice
from tvm_tiny.schedules.packed.isa import ISAS, Isa
from tvm_tiny.schedules.shapes import spec

PRODUCTS = ("tvm_tiny.packed.qconv2d", "tvm_tiny.packed.qdense")


@dataclass(frozen=True)
class Workload:
    """Layers of a model whose kernels are equal.

    key      key that `passes.select_kernels.workload` gives
    module   one of the layers, as an integer operator in a main of its own
    name     name of the first layer's result
    default  the choice of a build without a log
    layers   number of the layers
    """

    key: str
    isa: Isa
    module: IRModule
    name: str
    default: Choice
    layers: int = 1

    def packed(self, choice: Choice | None = None) -> Call:
        """The packed operator that computes the workload by a choice."""
        return _packed(self.key, self.isa, self.module, choice or self.default)


def _packed(key: str, isa: Isa, module: IRModule, choice: Choice | None) -> Call:
    """The operator after kernels are selected. choice: None for the default."""
    select: Any = SelectKernels(isa.name, {} if choice is None else {key: choice})
    return bindings_of(select(module)["main"])[0].value


def choice_of(packed: Call) -> Choice:
    """The choice with which a packed product was made."""
    return Choice(*(int(packed.attrs[name]) for name in Choice.__dataclass_fields__))


def read_workloads(module: IRModule, isa: str) -> list[Workload]:
    """Workloads of a QDQ Relax module that have micro-kernels, in the model's order."""
    main = operators_pipeline()(module)["main"]
    found: dict[str, Workload] = {}
    for name, call in _products(main):
        key = workload(isa, call)
        known = found.get(key)
        if known is not None:
            found[key] = replace(known, layers=known.layers + 1)
            continue
        alone = _alone(call)
        packed = _packed(key, ISAS[isa], alone, None)
        if packed.op.name in PRODUCTS:
            found[key] = Workload(key, ISAS[isa], alone, name, choice_of(packed))
    return list(found.values())


def merged(models: Iterable[Sequence[Workload]]) -> list[Workload]:
    """The workloads of several models, each once with the sum of its layers."""
    found: dict[str, Workload] = {}
    for made in (made for model in models for made in model):
        known = found.get(made.key)
        layers = made.layers + (known.layers if known else 0)
        found[made.key] = replace(known or made, layers=layers)
    return list(found.values())


def _products(main: relax.Function) -> Iterator[tuple[str, Call]]:
    for binding in bindings_of(main):
        call = binding.value
        if isinstance(call, Call) and getattr(call.op, "name", "") in (
            "tvm_tiny.qconv2d",
            "tvm_tiny.qdense",
        ):
            yield binding.var.name, call


def _alone(call: Call) -> IRModule:
    """A module with only this operator; its first operand is the input."""
    shape, dtype = spec(call.args[0])
    x = relax.Var("x", relax.TensorType(list(shape), dtype))
    operands = [a if isinstance(a, GenericConst) else x for a in call.args]
    builder = relax.BlockBuilder()
    with builder.function("main", [x]):
        with builder.dataflow():
            y = builder.emit_output(Call(call.op, operands, call.attrs, call.ty_args))
        builder.emit_func_output(y)
    return builder.get()
