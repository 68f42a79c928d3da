"""Samples for the commands that run a model: read from a file, or random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from tvm_tiny.interface import Port
    from tvm_tiny.samples import Sample


def read_samples(
    ports: Sequence[Port], inputs: Path | None, count: int, seed: int
) -> tuple[list[Sample], dict[str, Any]]:
    """The samples of the file `inputs`, or `count` random ones; see `choose_samples`."""
    return choose_samples(ports, load_arrays(inputs), count, seed)


def load_arrays(inputs: Path | None) -> Mapping[str, np.ndarray] | None:
    """The arrays in the file `inputs`; None without a file."""
    from tvm_tiny.samples import load_npz

    return None if inputs is None else load_npz(inputs)


def choose_samples(
    ports: Sequence[Port], arrays: Mapping[str, np.ndarray] | None, count: int, seed: int
) -> tuple[list[Sample], dict[str, Any]]:
    """The samples in `arrays`, or `count` random ones without arrays.

    Also returns their source as JSON output states it.
    """
    from tvm_tiny.samples import random_samples, split_samples

    if arrays is None:
        return random_samples(ports, count, seed), {"source": "random", "seed": seed}
    return split_samples(ports, arrays), {"source": "file", "seed": None}


def source_in_words(source: Mapping[str, Any]) -> str:
    """The source of samples in an output for people."""
    return f"random, seed {source['seed']}" if source["source"] == "random" else "from the file"
