"""Descriptions of a device's models: written for the firmware, and read by the host."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tvm_tiny.archive.versions import ABI_VERSION, FORMAT_VERSION
from tvm_tiny.errors import SessionError
from tvm_tiny.interface import Port, port_from_fields

if TYPE_CHECKING:
    from tvm_tiny.archive.reader import Archive


#: Characters of a description. ISO C99 promises string literals of up to 4095.
_MOST_CHARACTERS = 4000

#: Fields of a Port that a description leaves out where they are None.
_REST = ("permutation", "scale", "zero_point")


@dataclass(frozen=True)
class DeviceModel:
    """A model that a device can run.

    inputs, outputs  in the model's order; `shape` and `dtype` are those of the generated C
    target           name of the target that it was compiled for
    arena_bytes      size of all its arenas together
    steps            names of the steps whose time is taken; none if compiled without profiling
    """

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    target: str
    arena_bytes: int
    steps: tuple[str, ...] = ()


def describe(archive: Archive, *, profile: bool) -> str:
    """A model's description: a line of ASCII JSON, short enough for a C string."""
    info = archive.info
    fields: dict[str, Any] = {
        "mlf": FORMAT_VERSION,
        "abi": ABI_VERSION,
        "name": info.name,
        "target": archive.target,
        "arena": info.workspace_bytes,
        "inputs": [_port_fields(port) for port in archive.interface.inputs],
        "outputs": [_port_fields(port) for port in archive.interface.outputs],
    }
    if profile:
        # The name of a fused layer joins the names of its parts; the first part is enough.
        names = {index: step.name.split(";")[0] for index, step in info.steps.items()}
        fields["steps"] = [names.get(index, "") for index in range(step_count(archive))]
    text = json.dumps(fields, separators=(",", ":"))
    if len(text) > _MOST_CHARACTERS and profile:
        fields["steps"] = step_count(archive)
        text = json.dumps(fields, separators=(",", ":"))
    return text


def step_count(archive: Archive) -> int:
    """Number of steps: the largest index plus 1."""
    return max(archive.info.steps, default=-1) + 1


def _port_fields(port: Port) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": port.name, "dtype": port.dtype, "shape": port.shape}
    fields |= {key: value for key in _REST if (value := getattr(port, key)) is not None}
    if port.model_dtype != port.dtype:
        fields["model_dtype"] = port.model_dtype
    if port.model_shape != port.shape:
        fields["model_shape"] = port.model_shape
    if port.rounding != "tflite":
        fields["rounding"] = port.rounding
    return fields


def read_description(data: bytes) -> DeviceModel:
    """Reads a description; SessionError if it is damaged or of another version."""
    try:
        fields = json.loads(data.decode("ascii"))
        name = str(fields["name"])
        _check_version(name, "Model Library Format", fields["mlf"], FORMAT_VERSION)
        _check_version(name, "the C interface", fields["abi"], ABI_VERSION)
        return DeviceModel(
            name=name,
            inputs=_ports(fields["inputs"]),
            outputs=_ports(fields["outputs"]),
            target=str(fields["target"]),
            arena_bytes=int(fields["arena"]),
            steps=_steps(fields.get("steps", [])),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SessionError(f"the device's description of a model is damaged ({error!r})") from None


def _check_version(name: str, what: str, found: object, expected: int) -> None:
    if found != expected:
        raise SessionError(
            f"model {name!r} on the device is of version {found} of {what}, this tvm-tiny expects "
            f"{expected}: compile the model again and flash it"
        )


def _ports(entries: Sequence[Mapping[str, Any]]) -> tuple[Port, ...]:
    ports = []
    for entry in entries:
        own = {"model_shape": entry["shape"], "model_dtype": entry["dtype"]}
        ports.append(port_from_fields({**own, **entry}))
        np.dtype(ports[-1].dtype)  # raises TypeError for an unknown type
    return tuple(ports)


def _steps(entry: int | Sequence[str]) -> tuple[str, ...]:
    if isinstance(entry, int):
        return tuple(f"step {index}" for index in range(entry))
    return tuple(str(name) for name in entry)
