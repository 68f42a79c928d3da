"""Opens a compiled model: a Model Library Format archive (.tar, .tar.gz, .tgz) or its folder.

Archives come from elsewhere, so nothing is trusted: only plain files below the root are
unpacked, and of names that no makefile or shell takes for more; sizes are limited; the metadata
must be of a version this package writes, and name every file that could be compiled.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from tvm_tiny.errors import DataError
from tvm_tiny.interface import Interface, Port, port_from_fields

from .metadata import ModelInfo, is_plain_path, read_model_info
from .versions import ABI_VERSION, FORMAT_VERSION

# Limits far above what any model for a microcontroller unpacks to.
MAX_BYTES = 1 << 30
MAX_FILES = 10_000

# Folders of files that are compiled or included.
_CODE = ("codegen", "runtime")

_PORT_FIELDS = tuple(field.name for field in fields(Port))


@dataclass(frozen=True)
class Archive:
    """A compiled model on disk.

    folder: where its files are. target: the target that it was compiled for. changed: files that
    somebody has edited since the compiler wrote them.
    """

    folder: Path
    info: ModelInfo
    interface: Interface
    target: str
    changed: tuple[str, ...]


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Opens the model at `path`; an archive is unpacked to a temporary folder meanwhile.

    Raises DataError for what is no model: missing or truncated, unsafe names of members, no
    metadata, another version, files missing.
    """
    if path.is_dir():
        yield read_folder(path)
        return
    with tempfile.TemporaryDirectory(prefix="tvm-tiny-") as name:
        folder = Path(name)
        _unpack(path, folder)
        yield read_folder(folder, str(path))


def _unpack(path: Path, folder: Path) -> None:
    try:
        with tarfile.open(path, "r:*") as archive:
            _extract(archive, path, folder)
    except tarfile.TarError as error:
        raise DataError(
            f"archive '{path}': truncated, corrupt, or not a tar file ({error}); compile it again"
        ) from None
    except (EOFError, zlib.error) as error:
        raise DataError(f"archive '{path}': truncated or corrupt ({error})") from None
    except OSError as error:
        raise DataError(f"archive '{path}': cannot be read: {error.strerror or error}") from None


def _extract(archive: tarfile.TarFile, path: Path, folder: Path) -> None:
    total = 0
    for count, member in enumerate(archive):
        total += member.size
        if count >= MAX_FILES or total > MAX_BYTES:
            raise DataError(f"archive '{path}': unpacks to more than any model needs; refused")
        target = folder / _safe_name(member, path)
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        stream = archive.extractfile(member)
        if stream is None or target.exists():
            raise DataError(f"archive '{path}': member '{member.name}' is twice in it; refused")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(stream.read())


def _safe_name(member: tarfile.TarInfo, path: Path) -> PurePosixPath:
    name = PurePosixPath(member.name)
    plain = member.isreg() or member.isdir()
    if not plain or not (is_plain_path(str(name)) or str(name) == "."):
        raise DataError(
            f"archive '{path}': member {member.name!r} is not a plain file below the archive's "
            "root, of letters, digits, '_', '.' and '-'; refused"
        )
    return name


def read_folder(folder: Path, shown: str = "") -> Archive:
    """Reads a model's folder; raises DataError as `open_archive`. shown: its name in messages."""
    shown = shown or str(folder)
    root = _metadata(folder, shown)
    version = root.get("version")
    if version != FORMAT_VERSION:
        raise DataError(
            f"'{shown}': Model Library Format version {version!r}, expected {FORMAT_VERSION}; "
            "compile the model again"
        )
    try:
        module = root["modules"][root["model_name"]]
        ours = module["tvm_tiny"]
        abi = ours["abi_version"]
        hashes = dict(ours["sha256"])
        target = str(module["target"][0])
        interface = Interface(_ports(ours["inputs"]), _ports(ours["outputs"]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(
            f"'{shown}': metadata.json is not that of a tvm-tiny model ({error!r})"
        ) from None
    if abi != ABI_VERSION:
        raise DataError(
            f"'{shown}': compiled for version {abi!r} of the C interface, expected {ABI_VERSION}; "
            "compile the model again"
        )
    changed = _changed(folder, hashes, shown)
    _check_strangers(folder, hashes, shown)
    return Archive(folder, read_model_info(folder), interface, target, changed)


def _check_strangers(folder: Path, hashes: Mapping[str, Any], shown: str) -> None:
    """Raises DataError for a file beside the sources that the compiler did not write."""
    for path in (path for code in _CODE for path in sorted((folder / code).rglob("*"))):
        name = path.relative_to(folder).as_posix()
        if name not in hashes and not path.is_dir():
            raise DataError(
                f"'{shown}': {name!r} is not one of the files that metadata.json lists; remove it"
            )


def _metadata(folder: Path, shown: str) -> dict[str, Any]:
    path = folder / "metadata.json"
    try:
        root = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"'{shown}': not a compiled model: metadata.json cannot be read ({error.strerror})"
        ) from None
    except ValueError as error:
        raise DataError(f"'{shown}': metadata.json is not JSON ({error})") from None
    if not isinstance(root, dict):
        raise DataError(f"'{shown}': metadata.json is not a JSON object")
    return root


def _ports(entries: Any) -> tuple[Port, ...]:
    return tuple(_port(entry) for entry in entries)


def _port(entry: Mapping[str, Any]) -> Port:
    port = port_from_fields({name: entry[name] for name in _PORT_FIELDS if name in entry})
    np.dtype(port.dtype), np.dtype(port.model_dtype)
    if port.permutation is not None and sorted(port.permutation) != list(range(len(port.shape))):
        raise ValueError(f"permutation {port.permutation} of {port.name!r}")
    return port


def _changed(folder: Path, hashes: Mapping[str, Any], shown: str) -> tuple[str, ...]:
    changed = []
    for name, expected in sorted(hashes.items()):
        if not is_plain_path(name):
            raise DataError(f"'{shown}': metadata.json names a file that no model has: {name!r}")
        try:
            data = (folder / name).read_bytes()
        except OSError:
            raise DataError(f"'{shown}': incomplete: {name} is missing") from None
        if hashlib.sha256(data).hexdigest() != expected:
            changed.append(name)
    return tuple(changed)
