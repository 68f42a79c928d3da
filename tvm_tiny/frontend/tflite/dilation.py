"""Convolutions between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND become dilated convolutions.

TensorFlow writes a dilated convolution in this way: every b-th row becomes a batch of its own, so
that neighbours in a batch are b rows apart. TFLite's converter restores most of these convolutions,
but not all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .model import Array, Model, Operator, Quantization, Tensor
from .ops.windows import VALID

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_RESHAPES = ("RESHAPE", "EXPAND_DIMS", "SQUEEZE")
_AXES = "hw"


@dataclass(frozen=True)
class _Site:
    """A convolution between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND.

    split, join: the two operators. before, after: reshapes around the convolution, if any.
    """

    split: Operator
    before: Operator | None
    conv: Operator
    after: Operator | None
    join: Operator

    @property
    def operators(self) -> list[Operator]:
        """All operators of the site, in execution order."""
        chain = (self.split, self.before, self.conv, self.after, self.join)
        return [operator for operator in chain if operator is not None]


def fuse_dilation(model: Model) -> Model:
    """Replace such convolutions by dilated ones, after a PADV2 where there is padding.

    A site is left as it is where the convolution has strides or padding of its own, where more is
    cropped than padded, or where the tensors are quantized differently.
    """
    tensors, operators = list(model.tensors), list(model.operators)
    for site in _sites(model):
        fused = _fused(site, tensors)
        if fused is not None:
            gone = {operator.index for operator in site.operators}
            place = operators.index(site.split)
            kept = [operator for operator in operators if operator.index not in gone]
            operators = [*kept[:place], *fused, *kept[place:]]
    return replace(model, tensors=tuple(tensors), operators=tuple(operators))


def _sites(model: Model) -> list[_Site]:
    made = {index: operator for operator in model.operators for index in operator.outputs}
    reads = Counter(index for operator in model.operators for index in operator.inputs)
    reads.update(model.outputs)

    def behind(operator: Operator, kinds: Sequence[str]) -> Operator | None:
        """The producer of the operator's data, if its kind fits.

        None too where anything else reads the data.
        """
        source = made.get(operator.inputs[0])
        is_match = source is not None and source.kind in kinds and reads[operator.inputs[0]] == 1
        return source if is_match else None

    sites = []
    for join in (op for op in model.operators if op.kind == "BATCH_TO_SPACE_ND"):
        after = behind(join, _RESHAPES)
        conv = behind(after or join, _CONVOLUTIONS)
        before = behind(conv, _RESHAPES) if conv else None
        split = behind(before or conv, ("SPACE_TO_BATCH_ND",)) if conv else None
        if conv is not None and split is not None:
            sites.append(_Site(split, before, conv, after, join))
    return sites


def _fused(site: _Site, tensors: list[Tensor]) -> list[Operator] | None:
    """The operators that replace a site; None where it does not fit.

    Changes the shapes of the tensors between the operators.
    """
    x, parts = tensors[site.split.inputs[0]], tensors[site.conv.inputs[0]]
    results, y = tensors[site.conv.outputs[0]], tensors[site.join.outputs[0]]
    if not (_agree(x, parts) and _agree(results, y) and _is_plain(site.conv)):
        return None
    axes = _spatial_axes(x, tensors[site.split.outputs[0]], parts)
    (blocks, paddings), (other, crops) = (
        _constants(operator, tensors) for operator in (site.split, site.join)
    )
    if not blocks or blocks != other or len(axes) != len(blocks):
        return None
    # Cropping a row of the result is the same as padding one row less.
    widths = [padding - crop for padding, crop in zip(paddings, crops, strict=True)]
    if min(widths) < 0:
        return None
    return _rewritten(site, tensors, dict(zip(axes, blocks, strict=True)), widths)


def _constants(operator: Operator, tensors: list[Tensor]) -> tuple[list[int], list[int]]:
    """Block sizes, and paddings or crops; empty lists where they are not constant."""
    blocks, widths = (tensors[index].data for index in operator.inputs[1:3])
    if blocks is None or widths is None or widths.size != 2 * blocks.size:
        return [], []
    return blocks.reshape(-1).tolist(), widths.reshape(-1).tolist()


def _is_plain(conv: Operator) -> bool:
    """Whether a convolution has no stride, dilation or padding of its own."""
    steps = [f"stride_{axis}" for axis in _AXES] + [f"dilation_{axis}_factor" for axis in _AXES]
    return conv.integer("padding") == VALID and all(conv.integer(step) == 1 for step in steps)


def _agree(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are quantized alike."""
    if a.quantization is None or b.quantization is None:
        return False
    return a.quantization.agrees(b.quantization)


def _spatial_axes(x: Tensor, split: Tensor, parts: Tensor) -> list[int]:
    """The spatial axes of the convolution, height (0) and width (1), that the blocks divide."""
    if len(x.shape) == 4:
        return [0, 1] if split.shape == parts.shape else []
    fits = len(x.shape) == 3 and len(split.shape) == 3
    return [axis for axis in (0, 1) if fits and parts.shape == _lifted(split.shape, axis)][:1]


def _lifted(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    """The shape of an image that holds the data of a tensor [N, L, C].

    The image has one column or, for axis 1, one row. A shape of rank 4 is returned as it is.
    """
    if len(shape) == 4:
        return tuple(shape)
    n, length, c = shape
    return (n, 1, length, c) if axis else (n, length, 1, c)


def _rewritten(
    site: _Site, tensors: list[Tensor], blocks: dict[int, int], widths: list[int]
) -> list[Operator]:
    """The operators that compute the site with a dilated convolution.

    blocks: block size by spatial axis of the convolution. widths: padding before and after each of
    these axes.
    """
    source, target = site.split.inputs[0], site.join.outputs[0]
    shape, axis = list(tensors[source].shape), min(blocks)
    fused = []
    if any(widths):
        fused.append(_pad(site.split, tensors, widths))
        source = site.split.outputs[0]
        shape = list(tensors[source].shape)
    if site.before is not None:
        fused.append(_reshaped(site.before, tensors, source, _lifted(shape, axis)))
        source = site.before.outputs[0]
    if site.after is not None:
        target = site.conv.outputs[0]
        image = _lifted(tensors[site.join.outputs[0]].shape, axis)
        tensors[target] = replace(tensors[target], shape=image)
    factors = {f"dilation_{_AXES[axis]}_factor": block for axis, block in blocks.items()}
    inputs, options = (source, *site.conv.inputs[1:]), {**site.conv.options, **factors}
    fused.append(replace(site.conv, inputs=inputs, outputs=(target,), options=options))
    if site.after is not None:
        last = replace(site.after, outputs=site.join.outputs)
        fused.append(_reshaped(last, tensors, target, tensors[site.join.outputs[0]].shape))
    return fused


def _pad(split: Operator, tensors: list[Tensor], widths: list[int]) -> Operator:
    """A PADV2 whose result is the result tensor of `split`.

    TFLM pads SPACE_TO_BATCH_ND with the integer 0, whatever the zero point.
    """
    x, result = tensors[split.inputs[0]], split.outputs[0]
    table = np.zeros((len(x.shape), 2), np.int32)
    table[1 : 1 + len(widths) // 2] = np.reshape(widths, (-1, 2))
    shape = tuple(n + int(w.sum()) for n, w in zip(x.shape, table, strict=True))
    tensors[result] = replace(tensors[result], shape=shape)
    amounts = _constant(tensors, f"{x.name}_paddings", table)
    fill = _constant(tensors, f"{x.name}_fill", np.zeros(1, np.int8), x.quantization)
    return Operator(split.index, "PADV2", (x.index, amounts, fill), (result,))


def _reshaped(
    old: Operator, tensors: list[Tensor], source: int, shape: tuple[int, ...]
) -> Operator:
    """A RESHAPE to `shape` in place of the reshape `old`."""
    (target,) = old.outputs
    tensors[target] = replace(tensors[target], shape=shape)
    return Operator(old.index, "RESHAPE", (source,), (target,), {"new_shape": shape})


def _constant(
    tensors: list[Tensor], name: str, data: Array, quantization: Quantization | None = None
) -> int:
    """Add a constant to `tensors`; returns its index."""
    kind = str(data.dtype)
    tensors.append(Tensor(len(tensors), name, data.shape, kind, True, data, quantization))
    return len(tensors) - 1
