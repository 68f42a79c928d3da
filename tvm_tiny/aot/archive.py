"""Model Library Format: the archive or folder that a firmware project takes in.

Layout and metadata are those of microTVM's version 7, with what it lacked under the key
`tvm_tiny`. Archives are reproducible: sorted names, no times, no owners.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tvm_tiny._version import __version__
from tvm_tiny.archive.versions import ABI_VERSION, FORMAT_VERSION
from tvm_tiny.errors import DataError
from tvm_tiny.interface import Port

from .program import Call, Patches, Program
from .runtime_headers import with_parts
from .source import generate_sources, render

_HEADERS = tuple(f"tvm_tiny/{name}.h" for name in ("errors", "options", "version"))


def archive_files(program: Program, relax_text: str, target: str) -> dict[str, bytes]:
    """Every file of the archive: path -> contents, sorted by path."""
    sources = {f"codegen/host/{path}": text for path, text in generate_sources(program).items()}
    files = {path: text.encode() for path, text in sources.items()}
    files |= {f"runtime/{path}": data for path, data in _runtime_headers(program).items()}
    files["src/relax.txt"] = relax_text.encode()
    files["parameters/default.params.npz"] = _parameters(program)
    context = {
        "name": program.name,
        "sources": sorted(path for path in sources if path.endswith(".c")),
        "needs_libm": program.kernels.needs_libm,
    }
    files["CMakeLists.txt"] = render("CMakeLists.txt.j2", context).encode()
    hashes = {path: hashlib.sha256(data).hexdigest() for path, data in sorted(files.items())}
    metadata = _metadata(program, target, hashes)
    files["metadata.json"] = (json.dumps(metadata, indent=2, sort_keys=True) + "\n").encode()
    return dict(sorted(files.items()))


def _runtime_headers(program: Program) -> dict[str, bytes]:
    """The headers of every model, and of the micro-kernels that this one calls."""
    found = with_parts([*_HEADERS, *program.kernels.headers])
    return {f"include/{path}": data for path, data in found.items()}


def _parameters(program: Program) -> bytes:
    """The constants as an uncompressed .npz with fixed times."""
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for index, array in enumerate(program.constants):
            member = zipfile.ZipInfo(f"constant_{index}.npy", (1980, 1, 1, 0, 0, 0))
            data = io.BytesIO()
            np.lib.format.write_array(data, array, allow_pickle=False)
            archive.writestr(member, data.getvalue())
    return buffer.getvalue()


def _metadata(program: Program, target: str, hashes: Mapping[str, str]) -> dict[str, Any]:
    """The fields of version 7, and `tvm_tiny` in the module's entry."""
    memory = [{"device": 1, "workspace_size_bytes": program.workspace_bytes}]
    module = {
        "model_name": program.name,
        "style": "full-model",
        "target": [target],
        "memory": {
            "functions": {
                "main": [
                    {
                        "constants_size_bytes": program.constant_bytes,
                        "device": 1,
                        "inputs": {p.name: _size(p) for p in program.interface.inputs},
                        "io_size_bytes": sum(
                            p.bytes for p in program.interface.inputs + program.interface.outputs
                        ),
                        "outputs": {p.name: _size(p) for p in program.interface.outputs},
                        **memory[0],
                    }
                ],
                "operator_functions": [],
            },
        },
        "executors": ["aot"],
        "tvm_tiny": {
            "abi_version": ABI_VERSION,
            "io_in_arena": program.io_in_arena,
            "stream_input": program.streamed is not None,
            "workspace_bytes": program.workspace_bytes,
            "constant_bytes": program.constant_bytes,
            "pools": [_pool(program, index) for index in range(len(program.pools))],
            "weights": {
                "section": program.weights_section,
                "copied_to": program.pools[program.copied[0].pool].name if program.copied else None,
            },
            "macs": program.macs,
            "extra_macs": program.extra_macs,
            "inputs": _port_entries(program, "input"),
            "outputs": _port_entries(program, "output"),
            "steps": [_step(program, index) for index in range(len(program.calls))],
            "sha256": dict(hashes),
        },
    }
    return {
        "version": FORMAT_VERSION,
        "model_name": program.name,
        "export_datetime": None,
        "generator": f"tvm-tiny {__version__}",
        "modules": {program.name: module},
    }


def _size(port: Port) -> dict[str, Any]:
    return {"dtype": port.dtype, "size": port.bytes}


def _port_entries(program: Program, kind: str) -> list[dict[str, Any]]:
    ports = program.interface.inputs if kind == "input" else program.interface.outputs
    names = program.input_names if kind == "input" else program.output_names
    offsets = program.input_offsets if kind == "input" else program.output_offsets
    pools = program.input_pools if kind == "input" else program.output_pools
    return [
        {
            **asdict(port),
            "layout_permutation": port.permutation,
            "c_name": c_name,
            "offset": offset,
            "pool": None if offset is None else program.arena_names[pool],
            "bytes": port.bytes,
        }
        for port, c_name, offset, pool in zip(ports, names, offsets, pools, strict=True)
    ]


def _pool(program: Program, index: int) -> dict[str, Any]:
    """A pool of the board: bytes it has, are used, and hold copied weights."""
    pool = program.pools[index]
    return {
        "name": pool.name,
        "c_name": program.arena_names[index],
        "size": pool.size,
        "used": pool.bytes,
        "copied_weights": pool.constants,
        "section": pool.section,
    }


def _step(program: Program, index: int) -> dict[str, Any]:
    call = program.calls[index]
    result = call.outputs[0]
    return {
        "index": call.index,
        "name": call.name,
        "op": call.op,
        "kernel": f"tvmgen_{program.name}_{call.function}",
        "shape": call.shape,
        "dtype": result.dtype,
        "bytes": result.bytes,
        "offset": result.where if result.location == "arena" else None,
        "pool": program.arena_names[result.pool] if result.location == "arena" else None,
        "macs": call.macs,
        "extra_macs": call.extra_macs,
        "patches": None if call.patches is None else _patches(call, call.patches),
    }


def _patches(call: Call, patches: Patches) -> dict[str, Any]:
    """The rows and columns of the result that are traced for each tile."""
    return {
        "rows": patches.events,
        "columns": patches.columns,
        "row_bytes": call.row_bytes,
        "narrow": patches.narrow,
    }


def write_archive(files: Mapping[str, bytes], path: Path) -> None:
    """Write a tar, whole or not at all; gzip-compressed if named .gz or .tgz."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in sorted(files.items()):
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(data))
    data = buffer.getvalue()
    if path.name.endswith((".gz", ".tgz")):
        data = gzip.compress(data, mtime=0)
    _check_parent(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_folder(files: Mapping[str, bytes], path: Path) -> None:
    """Write files into a new or empty folder, whole or not at all."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise DataError(f"output folder '{path}' is not empty; remove it or choose another")
    _check_parent(path)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        for name, data in files.items():
            target = temporary / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        temporary.chmod(0o755)
        if path.exists():
            path.rmdir()
        temporary.rename(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _check_parent(path: Path) -> None:
    if not path.absolute().parent.is_dir():
        raise DataError(f"output '{path}': the folder {path.absolute().parent} does not exist")
