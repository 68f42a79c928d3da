"""The models of a device, as the device describes them."""

from __future__ import annotations

from dataclasses import dataclass

from tvm_tiny.interface import Port


@dataclass(frozen=True)
class DeviceModel:
    """A model that a device can run.

    inputs, outputs  in the model's order; `shape` and `dtype` are those of the generated C
    arena_bytes      of all its arenas
    steps            names of the steps whose time is taken; none if compiled without profiling
    """

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    arena_bytes: int
    steps: tuple[str, ...] = ()
