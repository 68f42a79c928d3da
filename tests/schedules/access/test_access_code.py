"""What `analyze` says of code that no portable kernel has: unknown values, regions, odd loops."""

# No postponed annotations here: TVMScript reads the buffer shapes from them.
import pytest
from tvm import tirx
from tvm.ir import PointerType, PrimType
from tvm.script import tirx as T

from tvm_tiny.schedules.access import sums as access_sums
from tvm_tiny.schedules.access.analysis import NEVER, analyze


def accesses(func, events: int = 2, constants=None):
    """(reads of the first parameter, writes, within of the first parameter) as lists by event."""
    found = analyze(func, events, constants or {})
    read = found.reads[0]
    return (
        None if read is None else list(zip(read.first, read.end, strict=True)),
        list(zip(found.writes.first, found.writes.end, strict=True)),
        None if read is None else list(found.within[0]),
    )


def test_an_index_that_depends_on_data_may_be_anywhere_in_its_dimension():
    @T.prim_func(private=True, s_tir=True)
    def func(x: T.Buffer((2, 5, 3), "int8"), out: T.Buffer((2, 3), "int8"), y: T.int32):
        for c in range(3):
            with T.sblock("element"):
                vc = T.axis.remap("S", [c])
                best = T.sblock_alloc_buffer((1,), "int32")
                best[0] = T.Cast("int32", x[y, 2, vc])
                out[y, vc] = x[y, best[0], vc]

    reads, writes, within = accesses(func)
    assert reads == [(0, 15), (15, 30)]
    assert writes == [(0, 3), (3, 6)]
    # Channel 1 of row 0 of the reduced dimension after the store of channel 0, and so on.
    assert within == [2 - 2, 5 - 17]


def test_a_condition_that_depends_on_data_may_hold_or_not():
    @T.prim_func(private=True, s_tir=True)
    def func(x: T.Buffer((2, 4), "int8"), out: T.Buffer((2, 1), "int8"), y: T.int32):
        for i in range(1):
            if x[y, 0] > T.int8(0):
                out[y, i] = x[y, 1]
            else:
                out[y, i] = x[y, 3]

    assert accesses(func) == ([(0, 4), (4, 8)], [(0, 1), (1, 2)], [NEVER, NEVER])


def test_a_condition_known_in_part_guards_its_first_branch_only():
    @T.prim_func(private=True, s_tir=True)
    def func(x: T.Buffer((2, 4), "int8"), out: T.Buffer((2, 1), "int8"), y: T.int32):
        for i in range(1):
            if y < 1 and x[y, 0] > T.int8(0):
                out[y, i] = x[y, 1]
            else:
                out[y, i] = x[y, 2]

    assert accesses(func)[0] == [(0, 3), (4, 7)]
    assert accesses(func)[2] == [NEVER, NEVER]


@pytest.mark.parametrize(
    "index",
    [
        lambda row: (row * 200).astype("int8").astype("int32"),
        lambda row: tirx.floordiv(4, row),
        lambda row: row & 1,
    ],
    ids=["a conversion that may wrap", "a division by zero", "bits"],
)
def test_an_index_that_cannot_be_computed_may_be_anywhere(index):
    x, out = tirx.decl_buffer((8,), "int8", "x"), tirx.decl_buffer((2, 1), "int8", "out")
    row = tirx.Var("row", "int32")
    store = tirx.BufferStore(out, x[index(row)], [row, 0])
    assert accesses(tirx.PrimFunc([x, out, row], store))[0] == [(0, 8), (0, 8)]


def test_a_known_condition_guards_both_branches_and_both_values():
    @T.prim_func(private=True, s_tir=True)
    def func(x: T.Buffer((4,), "int8"), out: T.Buffer((4, 1), "int8"), y: T.int32):
        for i in range(1):
            if y < 2 and i == 0:
                out[y, i] = x[y + 2]
            else:
                out[y, i] = T.Select(y == 2, x[0], T.if_then_else(y == 3, x[1], x[99]))

    assert accesses(func, 4)[0] == [(2, 3), (3, 4), (0, 1), (1, 2)]


def test_a_while_loop_may_write_before_it_reads():
    @T.prim_func(private=True, s_tir=True)
    def func(x: T.Buffer((2, 4), "int8"), out: T.Buffer((2, 4), "int8"), y: T.int32):
        with T.sblock("row"):
            k = T.sblock_alloc_buffer((1,), "int32")
            k[0] = 0
            while k[0] < 2:
                k[0] = k[0] + 1
                out[y, 1] = x[y, 0]

    assert accesses(func) == ([(0, 1), (4, 5)], [(1, 2), (5, 6)], [2, 2])


def test_nests_in_sequence_are_one_after_the_other():
    @T.prim_func(private=True, s_tir=True)
    def func(x: T.Buffer((2, 4), "int32"), out: T.Buffer((2, 4), "int8"), y: T.int32):
        for i in range(4):
            out[y, i] = T.int8(0)
        for j, k in T.grid(2, 2):
            out[y, 2 * j + k] = out[y, 2 * j + k] + T.Cast("int8", x[y, 2 * j + k])

    found = analyze(func, 2, {})
    assert found.own
    assert found.within[0] == (4 - 0, 8 - 16)
    assert found.writes.first == (0, 4)


def test_an_accumulator_written_before_a_read_of_the_same_loop():
    @T.prim_func(private=True, s_tir=True)
    def func(x: T.Buffer((2, 6), "int8"), out: T.Buffer((2, 2), "int8"), y: T.int32):
        for i in range(2):
            out[y, i] = T.int8(0)
            for k in range(3):
                out[y, i] = out[y, i] + x[y, 3 * i + k]

    # Element 0 is written before x[0] is read.
    assert accesses(func)[2] == [1, 3 - 6]


def test_a_loop_bound_may_depend_on_the_row():
    @T.prim_func(private=True, s_tir=True)
    def func(x: T.Buffer((4, 8), "int8"), out: T.Buffer((4, 1), "int8"), y: T.int32):
        for i in range(1):
            with T.sblock("element"):
                acc = T.sblock_alloc_buffer((1,), "int8")
                for k in range(y, y + 2 * y):
                    acc[0] = acc[0] + x[y, k]
                out[y, i] = acc[0]

    assert accesses(func, 3)[0] == [(0, 0), (9, 11), (18, 22)]


def test_the_first_value_and_the_step_of_a_loop():
    @T.prim_func(private=True, s_tir=True)
    def func(x: T.Buffer((2, 9), "int8"), out: T.Buffer((2, 9), "int8"), y: T.int32):
        for i in range(1, 8, 3):
            out[y, i] = x[y, i - 1]

    assert accesses(func) == ([(0, 7), (9, 16)], [(1, 8), (10, 17)], [2 - 3, 11 - 12])


@pytest.mark.parametrize("kind", [tirx.ForKind.PARALLEL, tirx.ForKind.VECTORIZED])
def test_iterations_that_are_not_serial_come_in_any_order(kind):
    x, out = (tirx.decl_buffer((2, 4), "int8", name) for name in ("x", "out"))
    i, row = tirx.Var("i", "int32"), tirx.Var("row", "int32")
    loop = tirx.For(i, 0, 4, kind, tirx.BufferStore(out, x[row, i], [row, i]))
    assert accesses(tirx.PrimFunc([x, out, row], loop))[2] == [4, 4]


def test_an_external_function_writes_its_regions_before_it_reads_them():
    @T.prim_func(private=True, s_tir=True)
    def func(x: T.Buffer((2, 8), "int8"), out: T.Buffer((2, 4), "int8"), y: T.int32):
        for i in range(2):
            T.evaluate(
                T.call_extern(
                    "int32",
                    "f",
                    x.access_ptr("r", offset=y * 8 + i * 4, extent=3),
                    out.access_ptr("w", offset=y * 4 + i * 2, extent=2),
                )
            )

    reads, writes, within = accesses(func)
    assert reads == [(0, 7), (8, 15)]
    assert writes == [(0, 4), (4, 8)]
    assert within == [2, 6 - 8]


def test_a_pointer_without_a_region_reaches_the_whole_buffer():
    @T.prim_func(private=True, s_tir=True)
    def func(x: T.Buffer((2, 8), "int8"), out: T.Buffer((2, 4), "int8"), y: T.int32):
        T.evaluate(T.call_extern("int32", "f", T.address_of(x[y, 0]), out.data))

    assert accesses(func) == ([(0, 16)] * 2, [(0, 8)] * 2, [8, 8])
    assert analyze(func, 2, {}).own


def test_a_region_in_other_units_is_the_whole_buffer():
    x, out = (tirx.decl_buffer((2, 8), "int8", name) for name in ("x", "out"))
    row = tirx.Var("row", "int32")
    region = x.access_ptr("r", content_lanes=4, offset=8, extent=4)
    call = tirx.call_extern("int8", "f", region)
    found = accesses(tirx.PrimFunc([x, out, row], tirx.BufferStore(out, call, [row, 0])))
    assert found == ([(0, 16)] * 2, [(0, 1), (8, 9)], [NEVER] * 2)


def test_a_part_of_a_buffer_under_another_name():
    @T.prim_func(private=True, s_tir=True)
    def func(x: T.Buffer((2, 8), "int8"), out: T.Buffer((2, 2), "int8"), y: T.int32):
        for i in range(2):
            with T.sblock("part"):
                vi = T.axis.remap("S", [i])
                part = T.match_buffer(x[y, vi * 4 : vi * 4 + 4], (4,), "int8", offset_factor=1)
                out[y, vi] = part[1]

    assert accesses(func) == ([(0, 8), (8, 16)], [(0, 2), (2, 4)], [1 - 4, 3 - 12])


def test_a_pointer_to_a_part_under_another_name_writes_all_of_it():
    @T.prim_func(private=True, s_tir=True)
    def func(x: T.Buffer((2, 8), "int8"), out: T.Buffer((2, 8), "int8"), y: T.int32):
        with T.sblock("part"):
            T.reads(x[y, 0])
            T.writes(out[y, 2:6])
            part = T.match_buffer(out[y, 2:6], (4,), "int8", offset_factor=1)
            T.evaluate(T.call_extern("int32", "f", part.data, x[y, 0]))

    assert accesses(func) == ([(0, 1), (8, 9)], [(2, 6), (10, 14)], [6, 14 - 8])


def kept_pointer(keep):
    """A kernel that keeps a pointer to its input."""
    x, out = (tirx.decl_buffer((2, 4), "int8", name) for name in ("x", "out"))
    row = tirx.Var("row", "int32")
    store = tirx.BufferStore(out, tirx.const(0, "int8"), [row, 0])
    return tirx.PrimFunc([x, out, row], tirx.SeqStmt([keep(x.data), store]))


def in_a_variable(pointer):
    return tirx.Bind(tirx.Var("p", PointerType(PrimType("int8"))), pointer)


def as_another_buffer(pointer):
    return tirx.DeclBuffer(tirx.decl_buffer((8,), "int8", "alias"), data=pointer)


@pytest.mark.parametrize("keep", [in_a_variable, as_another_buffer])
def test_where_a_pointer_cannot_be_followed_everything_may_be_touched(keep):
    assert accesses(kept_pointer(keep)) == ([(0, 8)] * 2, [(0, 8)] * 2, [8, 8])


def test_a_buffer_with_strides_may_be_touched_anywhere():
    x, out = tirx.decl_buffer((2, 4), "int8", "x", strides=[1, 2]), tirx.decl_buffer((2, 1), "int8")
    row = tirx.Var("row", "int32")
    func = tirx.PrimFunc([x, out, row], tirx.BufferStore(out, x[row, 0], [row, 0]))
    assert accesses(func) == ([(0, 8)] * 2, [(0, 2)] * 2, [2, 2])


def split_rows():
    """A kernel whose index has all of its loops in one division."""
    x, out = (tirx.decl_buffer((4, 6), "int8", name) for name in ("x", "out"))
    i, row = tirx.Var("i", "int32"), tirx.Var("row", "int32")
    flat = row * 6 + i
    value = x[tirx.floordiv(flat, 6), tirx.floormod(flat, 6)]
    loop = tirx.For(i, 0, 6, tirx.ForKind.SERIAL, tirx.BufferStore(out, value, [row, i]))
    return tirx.PrimFunc([x, out, row], loop)


def test_events_are_taken_apart_where_all_at_once_are_too_large(monkeypatch):
    exact = accesses(split_rows(), 4)
    assert exact[0] == exact[1] == [(0, 6), (6, 12), (12, 18), (18, 24)]
    monkeypatch.setattr(access_sums, "_LARGEST", 6)
    assert accesses(split_rows(), 4) == exact
    monkeypatch.setattr(access_sums, "_LARGEST", 5)
    assert accesses(split_rows(), 4) == ([(0, 24)] * 4, [(0, 24)] * 4, [24] * 4)


def test_a_kernel_writes_nothing_but_its_output():
    x, out = (tirx.decl_buffer((2, 4), "int8", name) for name in ("x", "out"))
    row = tirx.Var("row", "int32")
    store = tirx.BufferStore(x, tirx.const(0, "int8"), [row, 0])
    with pytest.raises(AssertionError, match="x is not the kernel's output"):
        analyze(tirx.PrimFunc([x, out, row], store), 2, {})
