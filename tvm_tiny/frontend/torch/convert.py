"""Imports PyTorch models: export to ONNX, then the ONNX frontend."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tvm

from tvm_tiny.errors import DataError, UnsupportedError

from ..calibration import Calibration
from ..onnx import from_onnx
from ..onnx.load import first_line
from ..quiet import quiet
from .archive import load_program
from .fake_quantize import freeze_fake_quantization
from .library import import_torch
from .samples import Array, Batches, to_arrays
from .translate import fake_quantization

if TYPE_CHECKING:
    import torch


def from_torch(
    model: torch.nn.Module | torch.export.ExportedProgram,
    samples: Batches | None = None,
    *,
    method: str = "auto",
) -> tvm.IRModule:
    """Import a PyTorch model; its float operators are quantized with `samples`.

    Args:
        model: a module, or an exported program. It is not changed. A module
            is exported in evaluation mode for one sample at a time.
        samples: inputs to export and calibrate with, as tensors or NumPy arrays: a batch
            [samples, ...], a list of samples, a dictionary of these by the name of `forward`'s
            argument, or a tuple with one for each argument. An exported program that is
            quantized already (QAT, PT2E) needs none.
        method: the choice of ranges, see `tvm_tiny.frontend.Calibration`.

    Returns:
        A module with function "main" in QDQ form, for `tvm_tiny.build`.

    Raises:
        UnsupportedError: PyTorch cannot export it, or it cannot be compiled.
        DataError: the samples do not fit the model.
        ToolchainError: PyTorch, onnxscript or onnxruntime is not installed.

    """
    torch = import_torch()
    arrays = None if samples is None else to_arrays(samples)
    if isinstance(model, torch.nn.Module):
        if arrays is None:
            raise DataError("a PyTorch module is exported with samples of its inputs: give some")
        program = _export(torch, model, arrays)
    elif isinstance(model, torch.export.ExportedProgram):
        program = model
    else:
        raise DataError(
            f"expected a torch.nn.Module or an ExportedProgram, found {type(model).__name__}"
        )
    proto = to_onnx(program)
    if arrays is None:
        return from_onnx(proto)
    return from_onnx(proto, Calibration(_by_name(proto, arrays), method))


def pt2_to_onnx(path: Path) -> Any:
    """The `onnx.ModelProto` of a program that `torch.export.save` wrote."""
    return to_onnx(load_program(path))


def to_onnx(program: torch.export.ExportedProgram) -> Any:
    """The `onnx.ModelProto` of an exported program."""
    torch = import_torch()
    try:
        with quiet():
            table = fake_quantization(torch)
            return torch.onnx.export(
                program, dynamo=True, verbose=False, custom_translation_table=table
            ).model_proto
    except Exception as error:
        raise UnsupportedError(f"PyTorch could not write ONNX: {_cause(error)}") from error


def _export(torch: Any, module: Any, arrays: list[Array] | dict[str, Array]) -> Any:
    frozen = freeze_fake_quantization(copy.deepcopy(module).eval())
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    if isinstance(arrays, dict):
        kwargs = {name: _first(torch, array) for name, array in arrays.items()}
    else:
        args = tuple(_first(torch, array) for array in arrays)
    try:
        with quiet(), torch.no_grad():
            return torch.export.export(frozen, args, kwargs)
    except Exception as error:
        raise UnsupportedError(f"PyTorch could not export the module: {_cause(error)}") from error


def _cause(error: BaseException) -> str:
    """The first line of the innermost error; PyTorch wraps it in errors that give advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error)


def _first(torch: Any, array: Array) -> Any:
    """The first sample, as a batch of one."""
    return torch.from_numpy(array[:1].copy())


def _by_name(proto: Any, arrays: list[Array] | dict[str, Array]) -> dict[str, Array]:
    if isinstance(arrays, dict):
        return arrays
    names = [value.name for value in proto.graph.input]
    if len(names) != len(arrays):
        raise DataError(f"the model has {len(names)} inputs {names}, found {len(arrays)} samples")
    return dict(zip(names, arrays, strict=True))
