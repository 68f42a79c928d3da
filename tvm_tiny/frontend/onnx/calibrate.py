"""Post-training quantization of a float ONNX model with onnxruntime (an optional dependency).

Int8 activations, int8 symmetric weights with one scale a channel, ranges by minimum and maximum
over the samples: the same samples give the same model.
"""

from __future__ import annotations

import logging
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from tvm_tiny.errors import DataError, ToolchainError, UnsupportedError

from .convert import TABLE
from .graph import Array, Graph, TensorType
from .load import first_line

# Per-channel DequantizeLinear came with opset 13.
CALIBRATION_OPSET = 13
# onnx writes newer versions than the oldest supported onnxruntime reads; nothing here needs them.
CALIBRATION_IR_VERSION = 10
# Left in float by onnxruntime unless asked for; the shapes of the others are not values.
NOT_QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "Identity", "Dropout", "ReduceSum")
MAX_SAMPLE_BYTES = 2**31


def quantize_float_model(proto: Any, graph: Graph, calibrate: Path | Mapping[str, Array]) -> Any:
    """A QDQ `onnx.ModelProto` of the float model `proto`.

    `graph` holds the same model's inputs; for `calibrate` see `from_onnx`.

    Raises:
        DataError: the samples do not fit the model's inputs.
        ToolchainError: onnxruntime is not installed.
        UnsupportedError: onnxruntime cannot quantize the model.

    """
    feeds = _feeds(graph.inputs, load_samples(calibrate))
    quantization = _onnxruntime_quantization()
    wanted = sorted({node.op for node in graph.nodes} & set(TABLE) - set(NOT_QUANTIZED))

    class Reader(quantization.CalibrationDataReader):  # type: ignore[name-defined]
        """Hands the samples to onnxruntime one by one."""

        def __init__(self) -> None:
            self._feeds = iter(feeds)

        def get_next(self) -> dict[str, Array] | None:
            return next(self._feeds, None)

    with tempfile.TemporaryDirectory(prefix="tvm-tiny-") as folder, _quiet():
        given, prepared, result = (
            Path(folder) / f"{step}.onnx" for step in ("float", "prepared", "quantized")
        )
        try:
            # A file, since onnxruntime loses the integer constants of a model in memory.
            onnx.save(_upgraded(proto), str(given))
            quantization.shape_inference.quant_pre_process(
                str(given), str(prepared), skip_symbolic_shape=True
            )
            quantization.quantize_static(
                str(prepared),
                str(result),
                Reader(),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=wanted,
                per_channel=True,
                activation_type=quantization.QuantType.QInt8,
                weight_type=quantization.QuantType.QInt8,
                calibrate_method=quantization.CalibrationMethod.MinMax,
                extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
            )
            return onnx.load(str(result))
        except Exception as error:
            # onnxruntime raises many types of its own; none of them is a fault of ours to show.
            raise UnsupportedError(
                f"onnxruntime could not quantize the model: {first_line(error)}"
            ) from error


def _onnxruntime_quantization() -> Any:
    try:
        import onnxruntime
        from onnxruntime import quantization
        from onnxruntime.quantization import shape_inference  # noqa: F401 - makes it an attribute
    except ImportError:
        raise ToolchainError(
            "quantizing a float model needs onnxruntime; install it: "
            "pip install tvm-tiny[calibrate]"
        ) from None
    onnxruntime.set_default_logger_severity(3)  # errors only
    return quantization


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence onnxruntime's loggers: what matters reaches the user as one error."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        root.setLevel(level)


def _upgraded(proto: Any) -> Any:
    """A copy of `proto` of an opset and IR version that onnxruntime can quantize."""
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    if versions.get("", versions.get("ai.onnx", 0)) < CALIBRATION_OPSET:
        copy = onnx.version_converter.convert_version(copy, CALIBRATION_OPSET)
    copy.ir_version = min(copy.ir_version, CALIBRATION_IR_VERSION)
    return copy


def load_samples(calibrate: Path | str | Mapping[str, Array]) -> dict[str, Array]:
    """Arrays by name from an .npz file, or as given; DataError where the file cannot be read."""
    if isinstance(calibrate, Mapping):
        return {name: np.asarray(value) for name, value in calibrate.items()}
    try:
        _check_archive(Path(calibrate))
        with np.load(calibrate, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise DataError(f"cannot read calibration file '{calibrate}': {reason}") from None
    except (ValueError, KeyError, zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"calibration file '{calibrate}' is not a readable .npz: {first_line(error)}"
        ) from None


def _check_archive(path: Path) -> None:
    """Refuse, before NumPy allocates it, an array that claims more bytes than its file holds."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                if version == (1, 0):
                    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                else:
                    shape, _, dtype = np.lib.format.read_array_header_2_0(file)
            claimed = int(np.prod(shape, dtype=object, initial=1)) * dtype.itemsize
            if claimed > min(member.file_size, MAX_SAMPLE_BYTES):
                raise ValueError(f"array '{member.filename}' is truncated or larger than 2 GiB")


def _feeds(inputs: dict[str, TensorType], samples: Mapping[str, Array]) -> list[dict[str, Array]]:
    """One dictionary of model inputs a sample."""
    if len(inputs) == 1 and len(samples) == 1:
        samples = dict(zip(inputs, samples.values(), strict=True))
    batches = {name: _checked(name, known, samples) for name, known in inputs.items()}
    counts = {name: len(batch) for name, batch in batches.items()}
    if len(set(counts.values())) > 1:
        raise DataError(f"calibration inputs differ in their number of samples: {counts}")
    count = min(counts.values(), default=0)
    return [{name: batch[i] for name, batch in batches.items()} for i in range(count)]


def _checked(name: str, known: TensorType, samples: Mapping[str, Array]) -> Array:
    """Samples [n, *shape] of one input, in its dtype."""
    if name not in samples:
        raise DataError(
            f"calibration data has no array for input '{name}'; found {sorted(samples)}"
        )
    array = samples[name]
    shapes = [known.shape] + ([known.shape[1:]] if known.shape[:1] == (1,) else [])
    if array.ndim == 0 or len(array) == 0 or array.shape[1:] not in shapes:
        expected = " or ".join(str(["samples", *shape]) for shape in reversed(shapes))
        raise DataError(
            f"calibration input '{name}': expected shape {expected}, found {list(array.shape)}"
        )
    same_kind = np.dtype(known.dtype).kind == array.dtype.kind
    if not same_kind or (array.dtype.kind in "iu" and array.dtype != known.dtype):
        raise DataError(
            f"calibration input '{name}' of shape {list(array.shape)}: expected dtype "
            f"{known.dtype}, found {array.dtype}"
        )
    result = np.ascontiguousarray(array.reshape(len(array), *known.shape).astype(known.dtype))
    if array.dtype.kind == "f" and not np.isfinite(result).all():
        raise DataError(
            f"calibration input '{name}' of shape {list(array.shape)} holds NaN or infinity"
        )
    return result
