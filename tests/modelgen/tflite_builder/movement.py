"""Operators that move data; the result keeps the quantization unless `copied` is replaced."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .graph import Graph, Operator, Tensor


class Movement(Graph):
    """Pads, shapes, joins and cuts."""

    def pad(self, x: Tensor, widths: np.ndarray, value: int | None = None) -> Tensor:
        """widths [rank, 2]; PADV2 where a quantized value is given."""
        shape = [d + int(w.sum()) for d, w in zip(x.shape, widths, strict=True)]
        inputs = [x, self.ints("paddings", widths)]
        out = self.copied(x)
        if value is None:
            return self.operator("PAD", inputs, shape, out)
        scalar = self.constant("pad_value", np.asarray(value, "int8"), (out.scale,), out.zero_point)
        return self.operator("PADV2", [*inputs, scalar], shape, out)

    def reshape(self, x: Tensor, shape: Sequence[int], *, as_tensor: bool = True) -> Tensor:
        """The new shape (one -1 allowed) as a second input, or, as in old files, an option."""
        known = np.empty(x.shape, "int8").reshape(shape).shape
        if as_tensor:
            return self.operator("RESHAPE", [x, self.ints("shape", shape)], known, self.copied(x))
        return self.operator("RESHAPE", [x], known, self.copied(x), new_shape=list(shape))

    def squeeze(self, x: Tensor, axes: Sequence[int] = ()) -> Tensor:
        """Drops the named axes, or all of extent one."""
        gone = {axis % x.rank for axis in axes} or {i for i, d in enumerate(x.shape) if d == 1}
        shape = [d for i, d in enumerate(x.shape) if i not in gone]
        return self.operator("SQUEEZE", [x], shape, self.copied(x), squeeze_dims=list(axes))

    def expand_dims(self, x: Tensor, axis: int) -> Tensor:
        at = axis % (x.rank + 1)
        shape = (*x.shape[:at], 1, *x.shape[at:])
        return self.operator("EXPAND_DIMS", [x, self.ints("axis", axis)], shape, self.copied(x))

    def transpose(self, x: Tensor, order: Sequence[int]) -> Tensor:
        shape = [x.shape[i] for i in order]
        return self.operator("TRANSPOSE", [x, self.ints("perm", order)], shape, self.copied(x))

    def concatenation(self, parts: Sequence[Tensor], axis: int) -> Tensor:
        """All parts and the result share one quantization."""
        shape = list(parts[0].shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        return self.operator(
            "CONCATENATION",
            parts,
            shape,
            parts[0].quant,
            axis=axis,
            fused_activation_function="NONE",
        )

    def split(self, x: Tensor, axis: int, count: int) -> list[Tensor]:
        shape = list(x.shape)
        shape[axis] //= count
        outputs = tuple(self.tensor("split", shape, "int8", self.copied(x)) for _ in range(count))
        inputs = (self.ints("split_axis", axis), x)
        self.operators.append(Operator("SPLIT", inputs, outputs, {"num_splits": count}))
        return list(outputs)

    def parts(
        self,
        code: str,
        x: Tensor,
        shapes: Sequence[Sequence[int]],
        others: Sequence[Tensor] = (),
        **options: int,
    ) -> list[Tensor]:
        """Any operator of several results; the caller knows their shapes."""
        outputs = tuple(self.tensor(code.lower(), s, "int8", self.copied(x)) for s in shapes)
        self.operators.append(Operator(code, (x, *others), outputs, dict(options)))
        return list(outputs)

    def moved(
        self,
        code: str,
        x: Tensor,
        shape: Sequence[int],
        values: Sequence[int] | None = None,
        **options: int,
    ) -> Tensor:
        """An operator with at most one operand of integers; the caller knows the result's shape."""
        others = [] if values is None else [self.ints(code.lower(), values)]
        return self.operator(code, [x, *others], shape, self.copied(x), **options)

    def strided_slice(
        self,
        x: Tensor,
        begin: Sequence[int],
        end: Sequence[int],
        strides: Sequence[int],
        shape: Sequence[int],
        **masks: int,
    ) -> Tensor:
        """The caller knows the result's shape."""
        inputs = [
            x,
            self.ints("begin", begin),
            self.ints("end", end),
            self.ints("strides", strides),
        ]
        return self.operator("STRIDED_SLICE", inputs, shape, self.copied(x), **masks)
