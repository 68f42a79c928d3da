"""Tensors and operators of one subgraph, and what every operator family builds on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..draw import Quant


@dataclass(frozen=True)
class Tensor:
    """A tensor of the model; scales and zero points are empty where it is not quantized."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0
    data: np.ndarray | None = field(default=None, compare=False)

    @property
    def quant(self) -> Quant:
        return Quant(self.scales[0], self.zero_points[0])

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class Operator:
    """One operator; `options` are the schema's fields in snake_case."""

    code: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: dict[str, Any]


class Graph:
    """Collects tensors and operators of one subgraph."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []
        self.inputs: list[Tensor] = []
        # What a result that is a copy of x's integers is said to be; x's own unless replaced.
        self.copied: Callable[[Tensor], Quant] = lambda x: x.quant
        # The quantization of a uint8 edge outside of an int8 tensor; the same unless replaced.
        self.outer: Callable[[Quant], Quant] = lambda q: Quant(q.scale, q.zero_point + 128)

    def tensor(
        self, name: str, shape: Sequence[int], dtype: str = "int8", quant: Quant | None = None
    ) -> Tensor:
        """A tensor some operator writes."""
        scales, zeros = ((quant.scale,), (quant.zero_point,)) if quant else ((), ())
        return self._append(name, shape, dtype, scales, zeros)

    def input(self, shape: Sequence[int], quant: Quant | None, dtype: str = "int8") -> Tensor:
        name = f"serving_default_input_{len(self.inputs)}:0"
        self.inputs.append(self.tensor(name, shape, dtype, quant))
        return self.inputs[-1]

    def constant(
        self,
        name: str,
        data: np.ndarray,
        scales: Sequence[float] = (),
        zero_point: int = 0,
        axis: int = 0,
        *,
        narrow: bool = False,
    ) -> Tensor:
        """A constant, in int4 where it is narrow; a scale per entry of `axis`, or one, or none."""
        zeros = (zero_point,) * len(scales)
        dtype = "int4" if narrow else str(data.dtype)
        return self._append(name, data.shape, dtype, scales, zeros, axis, data)

    def _append(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str,
        scales: Sequence[float],
        zeros: Sequence[int],
        axis: int = 0,
        data: np.ndarray | None = None,
    ) -> Tensor:
        index = len(self.tensors)
        full = name if ":" in name else f"model/{name}_{index}"
        as_read = tuple(float(np.float32(s)) for s in scales)
        dims = tuple(int(d) for d in shape)
        self.tensors.append(Tensor(index, full, dims, dtype, as_read, tuple(zeros), axis, data))
        return self.tensors[-1]

    def ints(self, name: str, values: Sequence[int] | int) -> Tensor:
        return self.constant(name, np.asarray(values, "int32"))

    def operator(
        self,
        code: str,
        inputs: Sequence[Tensor | None],
        shape: Sequence[int],
        quant: Quant | None,
        dtype: str = "int8",
        **options: Any,
    ) -> Tensor:
        """Any operator of one output; options are the schema's fields in snake_case."""
        output = self.tensor(code.lower(), shape, dtype, quant)
        self.operators.append(Operator(code, tuple(inputs), (output,), options))
        return output
