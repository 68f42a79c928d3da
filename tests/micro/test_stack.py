"""The static bound: never below the painted stack, close to it, and honest where there is none."""

from __future__ import annotations

import pytest
from fake_model import fake_model, samples

from tvm_tiny.errors import BoardError, DataError
from tvm_tiny.micro import BOARDS, build_firmware, stack_bound
from tvm_tiny.micro.callgraph import merge, read_callgraph, read_disassembly, with_assembly

DIVISION = """
static __attribute__((noinline)) int64_t divide(int64_t a, int64_t b) { return a / b; }
"""
# Two equal functions, of which gcc -O2 keeps one.
TWINS = "\n".join(
    f"static __attribute__((noinline)) void {name}(int8_t* p, int32_t n) "
    "{ int32_t k; for (k = 0; k < n; ++k) { p[k] = (int8_t)(p[k] * 3 + (k ^ n)); } }"
    for name in ("first", "second")
)
COPIES = "memcpy(y, x, (size_t)(y[0] & 1)); memmove(y, x, (size_t)(y[0] & 1));"
MODELS = {
    "plain": {},
    "frame": {"buffer": 300, "work": 3},
    "copies": {"more": COPIES},
    "twins": {"body": TWINS, "more": "first(y, 4); second(y, 8);"},
    "division": {"body": DIVISION, "more": "y[0] = (int8_t)divide(x[0], x[1] | 1);"},
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_bound_is_never_below_and_near_the_painted_stack(tmp_path, emulated, model):
    mlf = fake_model(tmp_path / "model", **model)
    bound = stack_bound(mlf, BOARDS[emulated].target.name)
    painted = build_firmware(mlf, emulated, tmp_path / "work").run(samples(2)).stack_bytes
    assert painted <= bound.bytes <= painted + 64
    assert bound.path[0][0] == "tvmgen_fake_run"
    assert bound.bytes == sum(size for _, size in bound.path)


@pytest.mark.qemu
def test_deepest_path_goes_through_the_step(tmp_path):
    bound = stack_bound(fake_model(tmp_path / "model", buffer=300, work=3), "cortex-m4")
    assert [name for name, _ in bound.path] == ["tvmgen_fake_run", "lib0.c:step"]
    assert bound.functions["lib0.c:step"] >= 300


def test_host_names_what_it_leaves_out(tmp_path):
    mlf = fake_model(tmp_path / "model", more="memmove(y, x, (size_t)(y[0] & 1));")
    assert stack_bound(mlf, "host").excluded == ("memmove",)


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            {
                "body": "static __attribute__((noinline)) int32_t again(int32_t n) "
                "{ return n <= 0 ? 0 : again(n - 2) * 3 + again(n - 1); }",
                "more": "code += 0 * again(x[0]);",
            },
            r"again is recursive \(lib0.c:again -> lib0.c:again\)",
        ),
        (
            {"body": "int32_t (*hook)(void);", "more": "code += hook();"},
            "tvmgen_fake_run calls through a pointer",
        ),
        (
            {
                "body": "static __attribute__((noinline)) int32_t any(int32_t n) "
                "{ volatile int8_t local[n]; local[0] = 1; return local[0]; }",
                "more": "code += any(x[0] & 7) * 0 + any(3 + x[1]);",
            },
            "any has a local array of variable size",
        ),
        (
            {"body": "int32_t absent(void);", "more": "code += absent();"},
            "absent, called by tvmgen_fake_run, is not defined",
        ),
    ],
    ids=["recursion", "pointer", "variable", "undefined"],
)
def test_no_bound_names_the_function(tmp_path, model, reason):
    model["more"] = model["more"].replace("0 * again", "again")
    with pytest.raises(BoardError, match=reason):
        stack_bound(fake_model(tmp_path / "model", **model), "cortex-m4")


def test_unknown_target(tmp_path):
    with pytest.raises(DataError, match="did you mean 'cortex-m4'"):
        stack_bound(fake_model(tmp_path / "model"), "cortex-m44")


def test_callgraph_merges_files():
    first = (
        'node: { title: "/a/x.c:f" label: "f\\n/a/x.c:1:2\\n16 bytes (static)\\n0 dynamic" }\n'
        'edge: { sourcename: "/a/x.c:f" targetname: "g" label: "x.c:3:4" }\n'
        'node: { title: "g" label: "g\\n/a/y.h:1:2" shape : ellipse }\n'
    )
    second = 'node: { title: "g" label: "g\\ny.c:1:2\\n8 bytes (dynamic,bounded)\\n1 dynamic" }\n'
    graph = merge([read_callgraph(first), read_callgraph(second)])
    assert graph["x.c:f"].stack == 16
    assert graph["x.c:f"].callees == {"g"}
    assert graph["g"].stack == 8
    assert graph["g"].unbounded == ""


ARM_TEXT = """
00008000 <first>:
    8000:  push {r3, r4, r5, lr}
    8002:  vpush {d8-d9}
    8006:  sub sp, #24
    8008:  str.w lr, [sp, #-4]!
    800c:  bl 9000 <second>
    8010:  add sp, #24
    8012:  pop {r3, r4, r5, pc}
    8014:  .word 0x00000000

00009000 <second>:
    9000:  stmdb sp!, {r4-r8, lr}
    9004:  cbz r0, 9000 <second>
    9006:  movs r0, #0

00009008 <third>:
    9008:  blx r3
    900a:  b.n 8004 <first+0x4>
"""

# A function in assembly and one of gcc's, as they stand in an object file.
BARE_TEXT = """
Disassembly of section .text.bare:

00000000 <bare>:
   0:  stmdb sp!, {r4, r5, r6, r7, r8, r9, r10, r11, lr}
   4:  push {r1, r2, r3, r4, r5, r6, r7, r8, r9, r11}
   8:  bl 0 <bare>
			8: R_ARM_THM_CALL	step
   c:  bl 0 <memcpy>
			c: R_ARM_THM_CALL	memcpy
  10:  add sp, #40

Disassembly of section .text.step:

00000000 <step>:
   0:  push {r4, lr}
   2:  b.n 2 <step+0x2>
"""

RISCV_TEXT = """
80000000 <main>:
80000000:  addi sp,sp,-32
80000004:  jal t0,80000100 <__riscv_save_4>
80000008:  j 80000100 <other>
"""


def test_disassembly_of_arm():
    graph = read_disassembly(ARM_TEXT, [frozenset({"second", "alias"})])
    assert graph["first"].stack == 16 + 16 + 24 + 4
    assert graph["first"].callees == {"second"}
    assert graph["second"].stack == 24
    assert graph["second"].callees == {"third"}  # falls through
    assert graph["third"].unbounded == "calls through a pointer"
    assert graph["third"].callees == {"first"}
    assert graph["alias"] is graph["second"]


def test_functions_in_assembly_have_what_they_push_and_call():
    text = (
        'node: { title: "lib0.c:bare" label: "bare\\n/a/lib0.c:1:2\\n0 bytes (static)" }\n'
        'node: { title: "lib0.c:step" label: "step\\n/a/lib0.c:2:2\\n32 bytes (static)" }\n'
    )
    machine = read_disassembly(BARE_TEXT)
    graph = with_assembly(read_callgraph(text), machine)
    assert graph["lib0.c:bare"].stack == 36 + 40
    assert graph["lib0.c:bare"].callees == {"lib0.c:step", "memcpy"}
    assert graph["lib0.c:step"].stack == 32


def test_disassembly_of_riscv():
    main = read_disassembly(RISCV_TEXT, [])["main"]
    assert main.stack == 32 + 64
    assert main.callees == {"other"}
