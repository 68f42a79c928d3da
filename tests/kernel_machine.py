"""A row kernel run naively, element by element, and a record of what it touched and when."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import numpy as np
from tvm import tirx
from tvm.ir import Expr

Touch = tuple[str, int, int]  # "r" or "w", parameter, flat element


def _truncdiv(a, b):
    return a / b if isinstance(a, float) else int(math.copysign(1, a * b)) * (abs(a) // abs(b))


_BINARY = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "Div": _truncdiv,
    "Mod": lambda a, b: a - b * _truncdiv(a, b),
    "FloorDiv": operator.floordiv,
    "FloorMod": operator.mod,
    "Min": min,
    "Max": max,
    "EQ": operator.eq,
    "NE": operator.ne,
    "LT": operator.lt,
    "LE": operator.le,
    "GT": operator.gt,
    "GE": operator.ge,
    "LShift": operator.lshift,
    "RShift": operator.rshift,
    "BitwiseAnd": operator.and_,
}


class Machine:
    """Runs one row at a time; `touches` are those of the parameters, in order."""

    def __init__(self, func: tirx.PrimFunc, arrays: Sequence[np.ndarray]) -> None:
        self._func = func
        self._places = {buffer: k for k, buffer in enumerate(func.params[:-1])}
        self._memory = {
            b: a.reshape(-1).tolist() for b, a in zip(func.params[:-1], arrays, strict=True)
        }
        self._variables: dict[tirx.Var, int] = {}
        self.touches: list[Touch] = []

    def run(self, row: int) -> list[Touch]:
        self.touches = []
        self._variables[self._func.params[-1]] = row
        self._statement(self._func.body)
        return self.touches

    def _statement(self, s: tirx.Stmt) -> None:
        kind = type(s).__name__
        if kind == "SeqStmt":
            for part in s.seq:
                self._statement(part)
        elif kind == "For":
            start = self._value(s.min)
            for k in range(0, self._value(s.extent), 1 if s.step is None else int(s.step)):
                self._variables[s.loop_var] = start + k
                self._statement(s.body)
        elif kind == "SBlockRealize":
            for axis, value in zip(s.block.iter_vars, s.iter_values, strict=True):
                self._variables[axis.var] = self._value(value)
            self._statement(s.block.body)
        elif kind == "IfThenElse":
            if self._value(s.condition):
                self._statement(s.then_case)
            elif s.else_case is not None:
                self._statement(s.else_case)
        elif kind == "While":
            while self._value(s.condition):
                self._statement(s.body)
        elif kind == "BufferStore":
            self._store(s)
        else:
            assert kind == "AllocBuffer", kind

    def _store(self, s: tirx.BufferStore) -> None:
        value = self._value(s.value)
        memory, at = self._touch("w", s.buffer, s.indices)
        memory[at] = value

    def _touch(self, mode: str, buffer: tirx.Var, indices: Sequence[Expr]):
        shape = [int(d) for d in buffer.shape]
        index = [self._value(i) for i in indices]
        at = int(np.ravel_multi_index(index, shape))
        memory = self._memory.setdefault(buffer, [0] * math.prod(shape))
        if buffer in self._places:
            self.touches.append((mode, self._places[buffer], at))
        return memory, at

    def _value(self, e: Expr):
        kind = type(e).__name__
        if kind in _BINARY:
            return _BINARY[kind](self._value(e.a), self._value(e.b))
        if kind in ("IntImm", "FloatImm"):
            return e.value
        if kind == "Var":
            return self._variables[e]
        if kind == "TensorLoad":
            memory, at = self._touch("r", e.source, e.indices)
            return memory[at]
        if kind == "Cast":
            return _converted(self._value(e.value), str(e.ty.dtype))
        if kind == "And":
            return self._value(e.a) and self._value(e.b)
        # C computes the chosen value only.
        if kind == "Select":
            return self._value(e.true_value if self._value(e.condition) else e.false_value)
        assert e.op.name == "prim.if_then_else", e
        return self._value(e.args[1] if self._value(e.args[0]) else e.args[2])


def _converted(value, dtype: str):
    if dtype.startswith("float"):
        return float(value)
    bits = int(dtype.removeprefix("u").removeprefix("int"))
    low = 0 if dtype.startswith("u") else -(1 << bits - 1)
    return (int(value) - low) % (1 << bits) + low
