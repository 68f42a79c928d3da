"""What the header and metadata of models in memory pools say, and what is refused."""

from __future__ import annotations

import ctypes
import json
import re

import pytest
from aot.conftest import needs
from aot.edge_models import EDGE_MODELS
from aot.host_library import (
    STRICT,
    Arenas,
    build_library,
    include_flags,
    pointer_struct,
    run_tool,
    sources,
    write_model,
)
from aot.pool_models import board, network
from aot.test_compilers import OURS
from aot.test_edge_models import compile_quietly

from tvm_tiny.errors import BudgetError
from tvm_tiny.pools import BoardMemory, MemoryPool, Weights


def test_what_we_write_passes_stricter_warnings(pooled_networks, compiler, tmp_path):
    for name, model in pooled_networks.items():
        folder = write_model(model, tmp_path / name)
        ours = [source for source in sources(folder) if not source.endswith("_kernels.c")]
        run_tool([compiler, *OURS, *include_flags(folder), "-fsyntax-only", *ours])
        run_tool([compiler, *STRICT, *include_flags(folder), "-fsyntax-only", *sources(folder)])


def test_header_of_pools_is_cpp(pooled_networks, tmp_path):
    cpp = needs("g++")
    folder = write_model(pooled_networks["layers_copied"], tmp_path)
    user = folder / "user.cpp"
    user.write_text(
        '#include "tvmgen_layers_copied.h"\n'
        "TVMGEN_LAYERS_COPIED_SECTION_REGISTER TVM_TINY_ALIGN(16)\n"
        "static unsigned char memory[TVMGEN_LAYERS_COPIED_WORKSPACE_REGISTER_POOL_SIZE];\n"
        "tvmgen_layers_copied_workspace_pools pools = {0, memory, 0};\n"
    )
    flags = ["-std=c++11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"]
    run_tool([cpp, *flags, *include_flags(folder), user])


def test_header_has_the_sizes_of_all_pools(pooled_networks):
    model = pooled_networks["layers_copied"]
    header = model.files["codegen/host/include/tvmgen_layers_copied.h"].decode()
    macros = dict(re.findall(r"#define TVMGEN_LAYERS_COPIED_(\w+) (\d+)\n", header))
    sizes = [pool.bytes for pool in model.pools]
    names = ("FAST", "REGISTER", "PSRAM")
    assert [int(macros[f"WORKSPACE_{name}_POOL_SIZE"]) for name in names] == sizes
    assert int(macros["WORKSPACE_WORKSPACE_POOL_SIZE"]) == sizes[0]
    assert int(macros["WORKSPACE_SIZE"]) == sum(sizes)
    assert "  void* workspace;" in header
    assert "  void* register_;" in header  # a keyword


def test_metadata_has_pools_and_weights(pooled_networks):
    model = pooled_networks["pushed_copied"]
    own = json.loads(model.files["metadata.json"])["modules"][model.program.name]["tvm_tiny"]
    assert [(p["name"], p["c_name"], p["size"]) for p in own["pools"]] == [
        ("fast", "workspace", 53),
        ("register", "register_", 611),
        ("psram", "psram", 100_003),
    ]
    assert [p["used"] for p in own["pools"]] == [p.bytes for p in model.pools]
    assert own["pools"][2]["copied_weights"] >= own["constant_bytes"] > 0
    assert own["weights"] == {"section": None, "copied_to": "psram"}
    assert own["outputs"][0]["pool"] in ("workspace", "register_", "psram")


def test_sections_are_those_of_the_board(tmp_path):
    needs("objdump")
    pools = (MemoryPool("fast", 517, ".bss.dtcm"), MemoryPool("slow", 9000, ".bss.slow"))
    memory = BoardMemory(pools, Weights(".external"))
    model = compile_quietly(EDGE_MODELS["network"](), name="placed", pools=memory)
    folder = write_model(model, tmp_path)
    user = folder / "codegen/host/src/user.c"
    user.write_text(
        '#include "tvmgen_placed.h"\n'
        "TVMGEN_PLACED_SECTION_FAST TVM_TINY_ALIGN(16)\n"
        "uint8_t fast[TVMGEN_PLACED_WORKSPACE_FAST_POOL_SIZE];\n"
        "TVMGEN_PLACED_SECTION_SLOW TVM_TINY_ALIGN(16)\n"
        "uint8_t slow[TVMGEN_PLACED_WORKSPACE_SLOW_POOL_SIZE];\n"
    )
    found = {}
    for source in (user, user.with_name("tvmgen_placed_weights.c")):
        run_tool(["gcc", *STRICT, *include_flags(folder), "-c", source, "-o", folder / "x.o"])
        lines = run_tool(["objdump", "-h", folder / "x.o"]).splitlines()
        found |= {line.split()[1]: int(line.split()[2], 16) for line in lines if " ." in line}
    assert (found[".bss.dtcm"], found[".bss.slow"]) == tuple(p.bytes for p in model.pools)
    assert found[".external"] >= model.constant_bytes


def test_every_pool_is_checked(pooled_networks, tmp_path):
    name = "layers_copied"
    found = build_library([pooled_networks[name]], tmp_path)[name]
    run, init = found._symbol("run"), found._symbol("init")
    assert (run(None), init(None)) == (0x0101, 0x0101)
    arenas = Arenas(pooled_networks[name].program)
    addresses = [getattr(arenas.pointers, f"p{k}") for k in range(3)]
    used = [k for k, address in enumerate(addresses) if address is not None]
    for k in used:
        for wrong, code in ((None, 0x0201), (addresses[k] + 8, 0x0202)):
            given = [wrong if k == other else addresses[other] for other in range(3)]
            assert run(ctypes.byref(pointer_struct(3)(*given))) == code
    assert run(ctypes.byref(arenas.pointers)) == 0x0107
    assert init(ctypes.byref(arenas.pointers)) == 0
    assert run(ctypes.byref(arenas.pointers)) == 0


def test_weights_of_another_model_are_not_taken_for_its_own(tmp_path):
    one = network("one", (9001,), "fast")
    other = compile_quietly(
        EDGE_MODELS["uint8_edges"](), name="other", pools=board((9001,), copy_to="fast")
    )
    library = build_library([one, other], tmp_path)
    arenas = Arenas(one.program)
    assert library["other"]._symbol("init")(ctypes.byref(arenas.pointers)) == 0
    assert library["one"]._symbol("run")(ctypes.byref(arenas.pointers)) == 0x0107


def test_a_missing_pool_maps_to_null(pooled_networks, tmp_path):
    name = "layers"
    found = build_library([pooled_networks[name]], tmp_path)[name]
    program = pooled_networks[name].program
    for function, pools in (
        ("map_inputs", program.input_pools),
        ("map_outputs", program.output_pools),
    ):
        assert found._pointers(function, 1, pointer_struct(2)(None, None)) == [None]
        given = [0x1000 if k == pools[0] else None for k in range(2)]
        assert found._pointers(function, 1, pointer_struct(2)(*given)) != [None]


def test_too_little_memory_says_where_and_what_would_fit():
    with pytest.raises(BudgetError, match=r"'fast' has 100.*would fit with (\d+) bytes") as fault:
        network("small", (100,))
    enough = int(re.search(r"fit with (\d+) bytes", str(fault.value)).group(1))
    assert network("small", (enough,)).pools[0].bytes <= enough
    with pytest.raises(BudgetError, match=r"'fast' has 3 bytes left, the progress .* needs \d+: "):
        network("small", (3, 10_000), minimize=True, stream_input=True)
    with pytest.raises(
        BudgetError, match=r"'fast' has 99 bytes, the weights copied to it need \d+"
    ):
        network("small", (99, 10_000), "fast")
