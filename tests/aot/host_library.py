"""Generated C as a shared library of this machine, called through ctypes.

    library = build_library([compiled, other], folder)
    outputs = library["default"].infer([x])           # the model's own dtypes and layouts

Every run gets a fresh arena of the exact size, full of noise, between guard bytes that must
survive: what reads stale memory or writes beside the arena is found.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tvm_tiny import CompiledModel
from tvm_tiny.aot import Program

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")
GUARD, NOISE = 64, 0xA5


def write_model(model: CompiledModel, folder: Path) -> Path:
    """The archive's files below `folder`; quicker than `save`, and into what is there."""
    for name, data in model.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def include_flags(folder: Path) -> list[str]:
    return [f"-I{folder}/codegen/host/include", f"-I{folder}/runtime/include"]


def sources(folder: Path) -> list[str]:
    return sorted(str(path) for path in (folder / "codegen/host/src").glob("*.c"))


def run_tool(command: Sequence[str | Path]) -> str:
    """Standard output of a compiler or the like; fails with all it said."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stderr[:4000]}"
    return done.stdout


def build_library(
    models: Sequence[CompiledModel],
    folder: Path,
    *,
    compiler: str = "gcc",
    flags: Sequence[str] = ("-O1",),
) -> dict[str, HostModel]:
    """All models in one library, by name; their names must differ."""
    for model in models:
        write_model(model, folder)
    path = folder / "models.so"
    command = [compiler, *STRICT, *flags, "-shared", "-fPIC", *include_flags(folder)]
    # The last path component of a library must not repeat within a process.
    run_tool([*command, *sources(folder), "-o", path, "-lm"])
    library = ctypes.CDLL(str(path))
    return {model.program.name: HostModel(library, model.program) for model in models}


class Guarded:
    """`size` bytes of noise at an address that is a multiple of 16, and guards around them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._memory = np.full(size + 2 * GUARD + 16, NOISE, "uint8")
        self._start = GUARD + -(self._memory.ctypes.data + GUARD) % 16

    @property
    def address(self) -> int:
        return int(self._memory.ctypes.data + self._start)

    @property
    def bytes(self) -> np.ndarray:
        return self._memory[self._start : self._start + self._size]

    def check(self) -> None:
        before, after = self._memory[: self._start], self._memory[self._start + self._size :]
        assert (before == NOISE).all(), "bytes before the buffer were written"
        assert (after == NOISE).all(), "bytes behind the buffer were written"


@dataclass(frozen=True)
class HostModel:
    """One model of a loaded library."""

    library: ctypes.CDLL
    program: Program

    def infer(self, inputs: Sequence[np.ndarray] | Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """From arrays as the model takes them to arrays as it gives them."""
        ports = self.program.interface
        if isinstance(inputs, Mapping):
            inputs = [inputs[port.name] for port in ports.inputs]
        device = [p.to_device(x) for p, x in zip(ports.inputs, inputs, strict=True)]
        return [p.from_device(y) for p, y in zip(ports.outputs, self.run(device), strict=True)]

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """From arrays as the C takes them to arrays as it gives them."""
        arena = Guarded(self.program.workspace_bytes)
        call = self._run_in_arena if self.program.io_in_arena else self._run_with_buffers
        call = self._run_by_rows if self.program.pushed is not None else call
        outputs = call(arena, inputs)
        arena.check()
        return outputs

    def _symbol(self, name: str) -> ctypes._CFuncPtr:
        return getattr(self.library, f"tvmgen_{self.program.name}_{name}")

    def _pointers(self, function: str, count: int, pools: object) -> list[int]:
        symbol = self._symbol(function)
        symbol.restype = pointer_struct(count)
        found = symbol(ctypes.byref(pools))
        return [getattr(found, f"p{k}") for k in range(count)]

    def _run_in_arena(self, arena: Guarded, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        ports = self.program.interface
        pools = pointer_struct(1)(arena.address)
        for array, address in zip(
            inputs, self._pointers("map_inputs", len(ports.inputs), pools), strict=True
        ):
            data = array.tobytes()
            start = address - arena.address
            arena.bytes[start : start + len(data)] = np.frombuffer(data, "uint8")
        assert self._symbol("run")(ctypes.byref(pools)) == 0
        return self.outputs_in(arena)

    def outputs_in(self, arena: Guarded) -> list[np.ndarray]:
        """What is in an arena after a run."""
        ports = self.program.interface.outputs
        places = self._pointers("map_outputs", len(ports), pointer_struct(1)(arena.address))
        return [
            arena.bytes[place - arena.address :][: port.bytes].view(port.dtype).reshape(port.shape)
            for port, place in zip(ports, places, strict=True)
        ]

    def _run_by_rows(self, arena: Guarded, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        assert self.begin(arena) == 0
        for row in self.rows(inputs[0]):
            assert self.push(arena, row) == 0
        return self.outputs_in(arena)

    def rows(self, image: np.ndarray) -> np.ndarray:
        """The input's rows as bytes, uint8 [rows, bytes of a row]."""
        assert self.program.pushed is not None
        return np.frombuffer(image.tobytes(), "uint8").reshape(self.program.pushed.events, -1)

    def begin(self, arena: Guarded) -> int:
        return int(self._symbol("begin")(ctypes.byref(pointer_struct(1)(arena.address))))

    def push(self, arena: Guarded, row: np.ndarray) -> int:
        """push_row, of a copy that is overwritten at once."""
        lent = Guarded(row.nbytes)
        lent.bytes[:] = row
        pools = pointer_struct(1)(arena.address)
        status = self._symbol("push_row")(ctypes.byref(pools), ctypes.c_void_p(lent.address))
        assert (lent.bytes == row).all(), "the caller's row was written"
        lent.check()
        lent.bytes[:] = NOISE
        return int(status)

    def next_row(self, arena: Guarded) -> int | None:
        """Where the next row is to lie."""
        symbol = self._symbol("next_row")
        symbol.restype = ctypes.c_void_p
        found: int | None = symbol(ctypes.byref(pointer_struct(1)(arena.address)))
        return found

    def _run_with_buffers(self, arena: Guarded, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        ports = self.program.interface
        given = [Guarded(port.bytes) for port in ports.inputs]
        for buffer, array in zip(given, inputs, strict=True):
            buffer.bytes[:] = np.frombuffer(array.tobytes(), "uint8")
        before = [buffer.bytes.copy() for buffer in given]
        taken = [Guarded(port.bytes) for port in ports.outputs]
        arguments = (
            pointer_struct(len(given))(*(b.address for b in given)),
            pointer_struct(len(taken))(*(b.address for b in taken)),
            pointer_struct(1)(arena.address),
        )
        assert self._symbol("run")(*map(ctypes.byref, arguments)) == 0
        for buffer in given + taken:
            buffer.check()
        for buffer, bytes_before in zip(given, before, strict=True):
            assert (buffer.bytes == bytes_before).all(), "the caller's input was written"
        return [
            b.bytes.view(p.dtype).reshape(p.shape)
            for b, p in zip(taken, ports.outputs, strict=True)
        ]


def pointer_struct(count: int) -> type[ctypes.Structure]:
    """A C structure of `count` pointers (one where there would be none)."""
    fields = [(f"p{k}", ctypes.c_void_p) for k in range(max(count, 1))]
    return type("Pointers", (ctypes.Structure,), {"_fields_": fields})
