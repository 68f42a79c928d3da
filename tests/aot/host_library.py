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


class Arenas:
    """Guarded memory for every arena of a program, of the exact size; no memory where that is 0.

    pointers: the C structure of pools.
    """

    def __init__(self, program: Program) -> None:
        sizes = [pool.bytes for pool in program.pools] or [program.workspace_bytes]
        self._guarded = [Guarded(size) if size else None for size in sizes]
        addresses = [None if arena is None else arena.address for arena in self._guarded]
        self.pointers = pointer_struct(len(sizes))(*addresses)

    def at(self, address: int, size: int) -> np.ndarray:
        """Bytes of the arena that an address is in."""
        for arena in filter(None, self._guarded):
            start = address - arena.address
            if 0 <= start <= len(arena.bytes) - size:
                return arena.bytes[start : start + size]
        raise AssertionError(f"{size} bytes at {address:#x} are in no arena")

    def check(self) -> None:
        for arena in filter(None, self._guarded):
            arena.check()


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
        arenas = Arenas(self.program)
        if self.program.copied:
            assert self._symbol("init")(ctypes.byref(arenas.pointers)) == 0
        call = self._run_in_arena if self.program.io_in_arena else self._run_with_buffers
        if self.program.streamed is not None:
            call = self._push
        outputs = call(arenas, inputs)
        arenas.check()
        return outputs

    def _symbol(self, name: str) -> ctypes._CFuncPtr:
        return getattr(self.library, f"tvmgen_{self.program.name}_{name}")

    def _pointers(self, function: str, count: int, pools: object) -> list[int]:
        symbol = self._symbol(function)
        symbol.restype = pointer_struct(count)
        found = symbol(ctypes.byref(pools))
        return [getattr(found, f"p{k}") for k in range(count)]

    def _run_in_arena(self, arenas: Arenas, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        pools = arenas.pointers
        count = len(self.program.interface.inputs)
        for array, address in zip(inputs, self._pointers("map_inputs", count, pools), strict=True):
            arenas.at(address, array.nbytes)[:] = np.frombuffer(array.tobytes(), "uint8")
        assert self._symbol("run")(ctypes.byref(pools)) == 0
        return self.outputs_in(arenas)

    def _push(self, arenas: Arenas, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Row by row; every second one is written where `next_row` says."""
        assert self.begin(arenas) == 0
        for k, row in enumerate(self.rows(inputs[0])):
            if k % 2 == 0:
                assert self.push(arenas, row) == 0
            else:
                address = self.next_row(arenas)
                arenas.at(address, row.nbytes)[:] = row
                pools = ctypes.byref(arenas.pointers)
                assert self._symbol("push_row")(pools, ctypes.c_void_p(address)) == 0
        assert self.next_row(arenas) is None
        return self.outputs_in(arenas)

    def rows(self, image: np.ndarray) -> np.ndarray:
        """The input's rows as bytes, uint8 [rows, bytes of a row]."""
        assert self.program.streamed is not None
        return np.frombuffer(image.tobytes(), "uint8").reshape(self.program.streamed.events, -1)

    def begin(self, arenas: Arenas) -> int:
        return int(self._symbol("begin")(ctypes.byref(arenas.pointers)))

    def push(self, arenas: Arenas, row: np.ndarray) -> int:
        """push_row, of a copy that is overwritten at once."""
        lent = Guarded(row.nbytes)
        lent.bytes[:] = row
        pools = ctypes.byref(arenas.pointers)
        status = self._symbol("push_row")(pools, ctypes.c_void_p(lent.address))
        assert (lent.bytes == row).all(), "the caller's row was written"
        lent.check()
        lent.bytes[:] = NOISE
        return int(status)

    def next_row(self, arenas: Arenas) -> int | None:
        """Where the next row is to lie."""
        symbol = self._symbol("next_row")
        symbol.restype = ctypes.c_void_p
        found: int | None = symbol(ctypes.byref(arenas.pointers))
        return found

    def outputs_in(self, arenas: Arenas) -> list[np.ndarray]:
        """What is in the arenas after a run."""
        ports = self.program.interface.outputs
        places = self._pointers("map_outputs", len(ports), arenas.pointers)
        return [
            arenas.at(place, port.bytes).view(port.dtype).reshape(port.shape)
            for port, place in zip(ports, places, strict=True)
        ]

    def _run_with_buffers(self, arenas: Arenas, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        ports = self.program.interface
        given = [Guarded(port.bytes) for port in ports.inputs]
        for buffer, array in zip(given, inputs, strict=True):
            buffer.bytes[:] = np.frombuffer(array.tobytes(), "uint8")
        before = [buffer.bytes.copy() for buffer in given]
        taken = [Guarded(port.bytes) for port in ports.outputs]
        arguments = (
            pointer_struct(len(given))(*(b.address for b in given)),
            pointer_struct(len(taken))(*(b.address for b in taken)),
            arenas.pointers,
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
