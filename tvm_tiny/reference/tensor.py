"""Inputs and outputs of a reference model: their description, names and checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tvm_tiny.errors import DataError

Inputs = Mapping[str, npt.NDArray[Any]] | Sequence[npt.NDArray[Any]]


@dataclass(frozen=True)
class TensorInfo:
    """The description of a model input or output.

    `dtype` is NumPy's name ("int8", "uint8", "float32", ...). `scale` and `zero_point` are those of
    a quantized tensor, in its own dtype, else None.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None


def unique_names(names: Sequence[str], first: Sequence[int] = ()) -> list[str]:
    """Names made distinct: the second tensor called `a` becomes `a_2`.

    Tensors at the positions `first` are named before all others, which follow in order.
    """
    result = [""] * len(names)
    taken = set(names)
    seen: dict[str, int] = {}
    for position in dict.fromkeys([*first, *range(len(names))]):
        name = names[position]
        seen[name] = seen.get(name, 0) + 1
        result[position] = name if seen[name] == 1 else _numbered(name, seen, taken)
    return result


def _numbered(name: str, seen: dict[str, int], taken: set[str]) -> str:
    """`name` with the first free number, counting from the number of its uses so far."""
    while f"{name}_{seen[name]}" in taken:
        seen[name] += 1
    taken.add(f"{name}_{seen[name]}")
    return f"{name}_{seen[name]}"


def bind_inputs(expected: Sequence[TensorInfo], given: Inputs) -> dict[str, npt.NDArray[Any]]:
    """Inputs by name, checked against the model; DataError where they do not fit.

    Extra or missing axes of length 1 are accepted, as sample archives often lack the batch.
    """
    names = [info.name for info in expected]
    by_name = (
        dict(given)
        if isinstance(given, Mapping)
        else dict(zip(names, given, strict=False))
        if len(given) == len(names)
        else None
    )
    if by_name is None or set(by_name) != set(names):
        found = sorted(by_name) if by_name is not None else f"{len(given)} arrays"
        raise DataError(f"inputs: found {found}, expected {names}; pass one array per input")
    return {info.name: _checked(info, np.asarray(by_name[info.name])) for info in expected}


def _checked(info: TensorInfo, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    wanted = [size for size in info.shape if size != 1]
    if [size for size in array.shape if size != 1] != wanted:
        raise DataError(
            f"input '{info.name}': shape {list(array.shape)} given, expected {list(info.shape)}"
        )
    if str(array.dtype) != info.dtype:
        raise DataError(
            f"input '{info.name}': dtype {array.dtype} given, expected {info.dtype}; convert it"
        )
    return array.reshape(info.shape)
