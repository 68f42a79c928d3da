"""Compiles model files, for the commands that take one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tvm_tiny.errors import ModelError

from .printer import Printer
from .stages import resolve

if TYPE_CHECKING:
    from tvm_tiny.build import CompiledModel
    from tvm_tiny.checker import PlanProof
    from tvm_tiny.frontend import Calibration
    from tvm_tiny.frontend.quality import Quality


def import_model(path: Path, calibrate: Calibration | None = None) -> Any:
    """The model's Relax module; see `tvm_tiny.from_file` for what it raises."""
    check_readable(path)
    from tvm_tiny.frontend import from_file

    return from_file(path, calibrate)


def import_with_reference(path: Path, calibrate: Calibration | None) -> tuple[Any, Any]:
    """The Relax module, and the model's reference in NumPy with the same rounding."""
    from tvm_tiny.frontend import TORCH_SUFFIXES, to_quantized_onnx
    from tvm_tiny.frontend.onnx import from_onnx
    from tvm_tiny.interface import ROUNDING
    from tvm_tiny.reference import ONNXReference, Rounding, load_reference

    if calibrate is None and path.suffix.lower() not in TORCH_SUFFIXES:
        module = import_model(path)
        rounding = (module["main"].attrs or {}).get(ROUNDING, Rounding.TFLITE.value)
        return module, load_reference(path, Rounding(str(rounding)))
    check_readable(path)
    quantized = to_quantized_onnx(path, calibrate)
    return from_onnx(quantized), ONNXReference(quantized.SerializeToString())


def check_readable(path: Path) -> None:
    """Raises ModelError if `path` is no file that can be read."""
    if path.is_dir():
        raise ModelError(f"model '{path}' is a folder; expected a .tflite, .onnx or .pt2 file")
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise ModelError(f"model '{path}' cannot be read: {error.strerror or error}") from None


class Built(NamedTuple):
    """A compiled model, its Relax module, and the options of `tvm_tiny.build` for it."""

    module: Any
    compiled: CompiledModel
    options: dict[str, Any]

    @property
    def quality(self) -> Quality | None:
        """The accuracy of calibration; None for a model that was quantized already."""
        from tvm_tiny.frontend.quality import Quality

        return Quality.from_module(self.module)


def build_model(
    path: Path, target: str, calibrate: Calibration | None = None, **options: Any
) -> Built:
    """Imports and builds a model.

    options: those of `tvm_tiny.build`; names of stages may be abbreviated to their beginnings.
    """
    from tvm_tiny.build import build
    from tvm_tiny.targets import find_target

    find_target(target)  # before the slow part
    module = import_model(path, calibrate)
    known = resolve(module, options)
    return Built(module, build(module, target, **known), known)


def prove_plan(printer: Printer, compiled: CompiledModel) -> PlanProof:
    """The proof of a model's memory plan. PlanError if it is wrong."""
    with printer.stage("proving the memory plan"):
        from tvm_tiny.aot import driver_of
        from tvm_tiny.checker import check_plan

        return check_plan(compiled.module, driver_of(compiled.program))


def proof_entry(proof: PlanProof | None) -> dict[str, Any] | None:
    """The proof of a memory plan for JSON output; None where there was none."""
    return None if proof is None else {**asdict(proof), "whole": list(proof.whole)}


def proof_lines(proof: PlanProof | None) -> list[str]:
    """The proof of a memory plan as lines for people; empty without a proof."""
    return [] if proof is None else [str(proof)]


def port_entries(ports: Any) -> list[dict[str, Any]]:
    """Inputs or outputs for JSON, in the generated C's form and in the model's."""
    return [
        {
            "name": port.name,
            "shape": list(port.shape),
            "dtype": port.dtype,
            "bytes": port.bytes,
            "scale": port.scale,
            "zero_point": port.zero_point,
            "model_shape": list(port.model_shape),
            "model_dtype": port.model_dtype,
            "permutation": None if port.permutation is None else list(port.permutation),
        }
        for port in ports
    ]
