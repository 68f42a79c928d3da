"""The hand-made model of the board tests, as an archive."""

from __future__ import annotations

import sys
from pathlib import Path

from repository import ROOT

from tvm_tiny.archive.metadata import read_model_info
from tvm_tiny.archive.reader import Archive
from tvm_tiny.interface import Interface, Port

sys.path.append(str(ROOT / "tests" / "micro"))

from fake_model import fake_model


def fake_archive(folder: Path, **options) -> Archive:
    """y = x + 3, named "fake"; options: of fake_model."""
    info = read_model_info(fake_model(folder, **options))
    inputs, outputs = (
        tuple(Port(t.name, t.shape, t.dtype, t.shape, t.dtype) for t in tensors)
        for tensors in (info.inputs, info.outputs)
    )
    return Archive(folder, info, Interface(inputs, outputs), "host", ())
