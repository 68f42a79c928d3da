"""One step of a lowered main: integer operators, their row kernels and what drives them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from tvm import relax, tirx
from tvm.ir import Call, Expr, GenericConst, GlobalVar, TupleGetItem

from tvm_tiny.schedules import kernel as kernels
from tvm_tiny.schedules import packed, portable  # noqa: F401  they register the row kernels
from tvm_tiny.schedules.access import Access, Span, analyze
from tvm_tiny.schedules.columns import column_access, keep_columns
from tvm_tiny.schedules.driver import driver
from tvm_tiny.schedules.kernel import Factory
from tvm_tiny.schedules.packed.tensorize import with_scratch
from tvm_tiny.schedules.portable.convolution import CONVOLUTION_SCALARS
from tvm_tiny.schedules.portable.planes import depthwise_planes
from tvm_tiny.schedules.portable.slide import slide_kernel
from tvm_tiny.schedules.rings import OUT, Pitches
from tvm_tiny.schedules.shapes import Spec, memory_shape, row_count, row_split, shape_of, spec
from tvm_tiny.schedules.stage import (
    SLIDE,
    Columns,
    Operator,
    Range,
    Rows,
    Stage,
    Tiles,
    first_kept,
    fit_rings,
    in_place,
    slid,
)
from tvm_tiny.schedules.tiles import divided, lines, tile, tile_sizes

from .lower_tir import lower_prim_func, to_pointer_abi
from .print_c import print_c

# tvm::CallingConv::kCPackedFunc: "has its final C signature already". It keeps TVM's
# MakePackedAPI from wrapping a function that only other TIR functions call.
_FINAL_SIGNATURE = 1

# Attribute of a row kernel: the same in calls of micro-kernels, as the C definition of `kernel`.
IN_C = "tvm_tiny.in_c"

# Attributes of functions that run one operator without row kernels: what it is, and whether its
# first result is the memory of its first operand.
OP, MACS, IN_PLACE = "tvm_tiny.op", "tvm_tiny.macs", "tvm_tiny.in_place"

# Reading TVMScript and lowering it is what compiling costs; a model has few distinct kernels.
_LOWERED: dict[str, tirx.PrimFunc] = {}
_ACCESSES: dict[tuple[str, bytes, tuple[int, ...]], Access] = {}

# An operator of a stage: the variable that stands for its result, and its call.
Body = Sequence[tuple[relax.Var, Call]]


def factory_of(call: Call) -> Factory:
    """The row kernels of an integer operator."""
    factory = kernels.lookup(call)
    assert factory is not None, f"no row kernel for {call.op}"
    return factory


def multiply_accumulates(call: Call) -> int:
    """Multiply-accumulates of an operator, counted for all taps, padded ones included."""
    name = call.op.name.removeprefix("tvm_tiny.")
    if "macs" in call.attrs:
        return int(call.attrs["macs"])
    if name in ("qconv2d", "qdense"):
        return math.prod(shape_of(call)) * math.prod(shape_of(call.args[1])[1:])
    if name == "qconv2d_transpose":
        inputs, weights = shape_of(call.args[0]), shape_of(call.args[1])
        return math.prod(inputs) * math.prod(weights[:3])
    if name == "qbatch_matmul":
        return math.prod(shape_of(call)) * shape_of(call.args[0])[-1]
    return 0


def _lowered(call: Call, pitches: Pitches | None) -> tirx.PrimFunc:
    """The row kernel with pointers for parameters; pitches: see `Rings`."""
    factory = factory_of(call)
    key = repr((factory.key(call), pitches))
    if key not in _LOWERED:
        rings = factory.rings(call, pitches=pitches)
        kernel = keep_columns(factory.kernel(call, rings).func, rings)
        wanted = factory.scratch(call) is not None
        func = to_pointer_abi(lower_prim_func(with_scratch(kernel, wanted=wanted)))
        micro = factory.micro_kernel(call, rings)
        if micro is not None:
            in_c = to_pointer_abi(lower_prim_func(micro))
            func = func.with_attr(IN_C, print_c({GlobalVar("kernel"): in_c}))
        _LOWERED[key] = func.with_attr("calling_conv", _FINAL_SIGNATURE)
    return _LOWERED[key]


def _scratch(call: Call) -> tuple[int, str]:
    """Elements and type of the memory that a row kernel needs while it runs."""
    found = factory_of(call).scratch(call)
    return (0, "int8") if found is None else (math.prod(found[0]), found[1])


def access_of(call: Call) -> Access:
    """Which elements the row kernel of an integer operator touches, event by event."""
    factory = factory_of(call)
    constants = {k: a.value.numpy() for k, a in enumerate(call.args) if isinstance(a, GenericConst)}
    tables = b"".join(constants[k].tobytes() for k in factory.tables)
    # What is read of a constant is not asked, so calls that differ there have other accesses.
    key = (factory.key(call), tables, tuple(constants))
    if key not in _ACCESSES:
        kernel = factory.kernel(call, factory.rings(call, logical=True))
        integers = factory.integers(call, factory.whole(call))
        constants |= {len(call.args) + k: array for k, array in enumerate(integers)}
        _ACCESSES[key] = analyze(kernel.func, kernel.rows, constants)
    return _ACCESSES[key]


def describe(call: Call, places: Mapping[int, int], result: int) -> Operator:
    """An integer operator as a stage sees it, without the name of its kernel.

    places: the parameter of each operand that counts, by its position; result: of the output.
    """
    access = access_of(call)
    writes = _rows(access.writes, call)
    assert writes is not None
    elements, dtype = _scratch(call)
    return Operator(
        kernel="",
        op=short_name(call),
        tensor="",
        macs=multiply_accumulates(call),
        operands=tuple(places.values()),
        result=result,
        reads=tuple(_rows(access.reads[k], call.args[k]) for k in places),
        writes=writes,
        within=tuple(access.within[k] for k in places),
        accumulates=access.own,
        scratch=elements * np.dtype(dtype).itemsize,
        scratch_type=dtype,
    )


def column_access_of(call: Call) -> Access:
    """Which columns the row kernel of an operator touches, result column by result column."""
    factory = factory_of(call)
    constants = {k: a.value.numpy() for k, a in enumerate(call.args) if isinstance(a, GenericConst)}
    tables = b"".join(constants[k].tobytes() for k in factory.tables)
    key = (f"columns {factory.key(call)}", tables, tuple(constants))
    if key not in _ACCESSES:
        rings = factory.rings(call, logical=True, pitches={})
        kernel = factory.kernel(call, rings)
        (integers,) = factory.integers(call, factory.whole(call), [[0, 0]])
        constants[len(call.args)] = integers[0]
        _ACCESSES[key] = column_access(kernel, rings, shape_of(call)[-2], constants)
    return _ACCESSES[key]


def describe_columns(call: Call, places: Iterable[int]) -> Columns | None:
    """The columns of an operator; None where its kernel computes whole rows only.

    places: the operands that count.
    """
    if not factory_of(call).tiled(call):
        return None
    reads = column_access_of(call).reads
    return Columns(shape_of(call)[-2], tuple(_columns(reads[k], call.args[k]) for k in places))


def ringed_operands(call: Call) -> tuple[int, ...]:
    """The operands, OUT for the result, whose rows the kernel finds through rings."""
    return factory_of(call).rings(call).operands


def tiled_operands(call: Call) -> tuple[int, ...]:
    """The operands, OUT for the result, of which the kernel can take some columns of a row."""
    return factory_of(call).tiled(call)


def overlap_bytes(call: Call) -> int:
    """How far the result of a layer must start below its first operand, to lie over it."""
    access = access_of(call)
    reads, within = access.reads[0], access.within[0]
    assert reads is not None, call.op
    assert within is not None, call.op
    # What is written must be below all that later events read.
    later = np.minimum.accumulate(np.asarray((*reads.first[1:], reads.end[-1]))[::-1])[::-1]
    return int(max(*within, *(np.asarray(access.writes.end) - later)))


def emit_in_place(builder: relax.BlockBuilder, call: Call) -> Expr:
    """A `qdepthwise_planes` and room for its plane; a kernel of its own, not of rows."""
    attrs = {
        IN_PLACE: True,
        OP: short_name(call),
        MACS: math.prod(shape_of(call)) * math.prod(shape_of(call.args[1])[1:]),
    }
    function = builder.add_func(depthwise_planes(call).with_attr(attrs), short_name(call))
    _, height, width, _ = shape_of(call)
    types = [call.ty, relax.TensorType([height, width], "int8")]
    scalars = np.array([int(call.attrs[name]) for name in CONVOLUTION_SCALARS], dtype="int32")
    called = relax.op.call_tir(function, [*call.args, relax.const(scalars)], types)
    return TupleGetItem(builder.emit(called, name_hint=short_name(call)), 0)


def emit_stage(
    builder: relax.BlockBuilder,
    body: Body,
    results: Sequence[relax.Var],
    name: str,
    split: Range | None = None,
    *,
    slides: bool = False,
) -> list[Expr]:
    """Add the functions of a stage to the builder's module; answer its results.

    body: operators in topological order; results: those of their variables that are used
    elsewhere; name: of the stage's function; split: rows and columns of tiles of a patch stage;
    slides: whether the rows of its rings move, see `slid`.
    Functions of equal structure are added once: BlockBuilder.add_func compares them.
    """
    parts = _Parts(body, results, split, slides)
    stage = parts.stage()
    kernels_ = [
        builder.add_func(parts.kernel(stage, k, call), _kernel_name(call))
        for k, call in enumerate(parts.calls(stage))
    ]
    stage = _with_kernels(stage, kernels_)
    specs = parts.specs(stage)
    function = builder.add_func(driver(stage, kernels_, specs), name)
    operands = parts.operands(stage)
    types = [relax.TensorType(list(s), d) for s, d in specs[len(operands) :]]
    called = relax.op.call_tir(function, operands, types if len(types) > 1 else types[0])
    if len(types) == 1:
        return [called]
    step = builder.emit(called, name_hint=name)
    return [TupleGetItem(step, k) for k in range(len(results))]


def _kernel_name(call: Call | None) -> str:
    """Of a row kernel. Another operator may share push's: in C `push_row` takes the input."""
    if call is None:
        return f"{SLIDE}_rows"
    name = short_name(call)
    return f"{'copy' if name == 'push' else name}_row"


def _pitches(stage: Stage, k: int) -> Pitches | None:
    """See `Rings`: of the kernel of operator k."""
    if stage.tiles is None:
        return None
    operator = stage.operators[k]
    places = {**dict(enumerate(operator.operands)), OUT: operator.result}
    return {operand: stage.widths[p] for operand, p in places.items() if p in stage.widths}


def _with_kernels(stage: Stage, kernels_: Sequence[GlobalVar]) -> Stage:
    operators = zip(stage.operators, kernels_, strict=True)
    named = tuple(replace(operator, kernel=kernel.name_hint) for operator, kernel in operators)
    return replace(stage, operators=named)


def short_name(call: Call) -> str:
    """The operator's name without its namespace."""
    return str(call.op.name.rpartition(".")[2])


class _Parts:
    """The parameters of a stage's function: operands, integer arrays, results, rings."""

    def __init__(
        self, body: Body, results: Sequence[relax.Var], split: Range | None, slides: bool = False
    ) -> None:
        self._body, self._patches, self._slides = body, split is not None, slides
        made = [var for var, _ in body]
        outside = [a for _, call in body for a in call.args if not _among(a, made)]
        self._outside = [a for k, a in enumerate(outside) if not _among(a, outside[:k])]
        self._with_integers = [
            v for v, call in body if self._patches or factory_of(call).rings(call).integers
        ]
        self._results = list(results)
        self._inside = [var for var in made if not _among(var, results)]
        # How many rings move follows from the stage, whose parameters these are.
        moved = slid(_Parts(body, results, split).stage()).slides if slides else {}
        first = len(self._outside) + len(self._with_integers) + len(moved)
        self._first_made = first
        self._made = {var: first + k for k, var in enumerate([*self._results, *self._inside])}
        self._tiles = None if split is None else self._tiled(split)
        shared = self._in_place()
        self._inside = [var for var in self._inside if self._made[var] not in shared]
        numbers = {var: first + k for k, var in enumerate([*self._results, *self._inside])}
        owner = {parameter: var for var, parameter in self._made.items()}
        self._made = {v: numbers[owner[shared.get(p, p)]] for v, p in self._made.items()}

    def _tiled(self, split: Range) -> Tiles:
        operators = [self._operator(var, call) for var, call in self._body]
        whole = {self._made[var]: row_count(shape_of(var)) for var in self._results}
        return tile(operators, whole, split)

    def _in_place(self) -> dict[int, int]:
        operators = [self._operator(var, call) for var, call in self._body]
        inside = [self._made[var] for var in self._inside if self._can_ring(var)]
        forms = {
            p: (row_count(shape_of(v)), row_bytes(v), spec(v)[1]) for v, p in self._made.items()
        }
        if self._tiles is not None:
            narrow = [self._made[var] for var in self._inside]
            return in_place(operators, tile_sizes(operators, self._tiles, forms, narrow), inside)
        return in_place(operators, forms, inside)

    def _parameter(self, expr: Expr) -> int:
        if expr in self._made:
            return self._made[expr]
        return next(k for k, known in enumerate(self._outside) if known.same_as(expr))

    def _integers(self, var: relax.Var) -> int | None:
        found = (k for k, v in enumerate(self._with_integers) if v.same_as(var))
        position = next(found, None)
        return None if position is None else len(self._outside) + position

    def stage(self) -> Stage:
        """The stage, its rings as small as they can be, without the names of its kernels."""
        stage = self._turning()
        if not self._slides:
            return stage
        stage = slid(stage)
        operators = list(stage.operators)
        first = self._first_made - len(stage.slides)
        for table, k in enumerate(sorted(stage.slides.values()), first):
            operators[k] = replace(operators[k], operands=(table,), reads=(None,), within=(None,))
        return replace(stage, operators=tuple(operators))

    def _turning(self) -> Stage:
        """The stage with rings that go round."""
        operators = tuple(self._operator(var, call) for var, call in self._body)
        tensors = [a for a in self._outside if not isinstance(a, GenericConst)]
        tensors += [*self._results, *self._inside]
        rows = {self._parameter(t): row_count(shape_of(t)) for t in tensors}
        stage = Stage(operators, rows, {})
        if self._scratch() is not None:
            last = self._first_made
            stage = replace(stage, scratch=last + len(self._results) + len(self._inside))
        if self._tiles is not None:
            stage = divided(stage, self._tiles, [self._made[var] for var in self._inside])
        ringed = {
            self._made[v]: row_bytes(v, stage.widths.get(self._made[v]))
            for v in self._inside
            if self._can_ring(v)
        }
        return fit_rings(stage, ringed)

    def _can_ring(self, var: relax.Var) -> bool:
        """Whether all that write and read the tensor find its rows through a ring."""
        for made, call in self._body:
            ringed = ringed_operands(call)
            uses = [k for k, arg in enumerate(call.args) if arg.same_as(var)]
            uses += [OUT] if made.same_as(var) else []
            if any(k not in ringed for k in uses):
                return False
        return True

    def _operator(self, var: relax.Var, call: Call) -> Operator:
        places = {k: self._parameter(arg) for k, arg in enumerate(call.args)}
        described = describe(call, places, self._made[var])
        if self._patches:
            described = replace(described, columns=describe_columns(call, places))
        integers = self._integers(var)
        extra = () if integers is None else (integers,)
        return replace(
            described,
            # A layer goes by the name of the variable it is bound to: equal ones share a function.
            tensor=var.name if len(self._body) > 1 else "",
            operands=(*described.operands, *extra),
            reads=(*described.reads, *(None for _ in extra)),
            within=(*described.within, *(None for _ in extra)),
        )

    def operands(self, stage: Stage) -> list[Expr]:
        """What main passes: tensors, constants, and each operator's integers."""
        arrays = []
        own = [(k, o) for k, o in enumerate(stage.operators) if o.op != SLIDE]
        turning = {p: rows for p, rows in stage.rings.items() if p not in stage.slides}
        for (position, operator), (var, call) in zip(own, self._body, strict=True):
            if self._integers(var) is None:
                continue
            factory = factory_of(call)
            places = {OUT: operator.result} | dict(enumerate(operator.operands))
            sizes = factory.whole(call)
            sizes |= {k: turning[places[k]] for k in sizes if places[k] in turning}
            tiles = () if stage.tiles is None else lines(stage, position)
            arrays += factory.integers(call, sizes, tiles)
        moves = sorted(stage.slides.values())
        arrays += [np.array(first_kept(stage, k), dtype="int32") for k in moves]
        return [*self._outside, *map(relax.const, arrays)]

    def calls(self, stage: Stage) -> list[Call | None]:
        """What each of the stage's operators computes; None where it moves rows."""
        own = (call for _, call in self._body)
        return [None if o.op == SLIDE else next(own) for o in stage.operators]

    def kernel(self, stage: Stage, k: int, call: Call | None) -> tirx.PrimFunc:
        """The row kernel of an operator of the stage."""
        if call is not None:
            return _lowered(call, _pitches(stage, k))
        moved = stage.operators[k]
        shape, dtype = self.specs(stage)[moved.result]
        rows = stage.rings[moved.result]
        size = math.prod(shape) * np.dtype(dtype).itemsize // rows
        func = slide_kernel(rows, size, moved.events)
        return to_pointer_abi(lower_prim_func(func)).with_attr("calling_conv", _FINAL_SIGNATURE)

    def specs(self, stage: Stage) -> list[Spec]:
        """Shapes and types of all parameters; of a ring as many rows as it has."""
        specs = [spec(operand) for operand in self.operands(stage)]
        for var in (*self._results, *self._inside):
            shape, dtype = spec(var)
            rows, width = (kept.get(self._made[var]) for kept in (stage.rings, stage.widths))
            specs.append((memory_shape(shape, rows, width), dtype))
        scratch = self._scratch()
        return specs if scratch is None else [*specs, scratch]

    def _scratch(self) -> Spec | None:
        """Shape and type of the memory that the kernels need while they run."""
        wanted = [_scratch(call) for _, call in self._body]
        size = max(elements * np.dtype(dtype).itemsize for elements, dtype in wanted)
        return ((size,), "int8") if size else None


def row_bytes(tensor: Expr, width: int | None = None) -> int:
    """Bytes of one row of a tensor, or of so many columns of it."""
    shape, dtype = spec(tensor)
    return math.prod(memory_shape(shape, 1, width)) * np.dtype(dtype).itemsize


def _among(expr: Expr, others: Sequence[Expr]) -> bool:
    return any(expr.same_as(other) for other in others)


def _rows(span: Span | None, tensor: Expr) -> Rows | None:
    """Elements as rows of the tensor."""
    return None if span is None else _divided(span, math.prod(row_split(shape_of(tensor))[1]))


def _columns(span: Span | None, tensor: Expr) -> Rows | None:
    """Elements of a tensor of one row as columns of it."""
    return None if span is None else _divided(span, math.prod(row_split(shape_of(tensor))[1][1:]))


def _divided(span: Span, size: int) -> Rows:
    size = max(size, 1)
    return Rows(
        tuple(first // size for first in span.first),
        tuple(-(-end // size) for end in span.end),
    )
