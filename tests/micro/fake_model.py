"""A Model Library Format folder by hand: y = x + 3 (int8, wrapping), with faults to order."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from repository import ROOT

RUNTIME_C = ROOT / "runtime_c"
NAME = "fake"
ADD = 3

HEADER = """\
#ifndef TVMGEN_FAKE_H
#define TVMGEN_FAKE_H
#include <stdint.h>
#define TVMGEN_FAKE_WORKSPACE_SIZE {workspace}
struct tvmgen_fake_workspace_pools {{ void* workspace; }};
struct tvmgen_fake_inputs {{ void* x; }};
struct tvmgen_fake_outputs {{ void* y; }};
struct tvmgen_fake_inputs tvmgen_fake_map_inputs(struct tvmgen_fake_workspace_pools* pools);
struct tvmgen_fake_outputs tvmgen_fake_map_outputs(struct tvmgen_fake_workspace_pools* pools);
int32_t tvmgen_fake_run({run_parameters});
#endif
"""

LIBRARY = """\
#include <string.h>
#include "tvm_tiny/options.h"
#include "tvmgen_fake.h"

{table}
static int32_t step(int8_t* y, const int8_t* x) {{
  volatile int8_t buffer[{buffer}];
  int32_t repeat;
  int32_t i;
  buffer[0] = {add};
  for (repeat = 0; repeat < {work}; repeat++) {{
    for (i = 0; i < {elements}; i++) {{
      y[i] = (int8_t)(x[i] + buffer[0]);
    }}
  }}
  return 0;
}}

struct tvmgen_fake_inputs tvmgen_fake_map_inputs(struct tvmgen_fake_workspace_pools* pools) {{
  struct tvmgen_fake_inputs inputs;
  inputs.x = pools->workspace;
  return inputs;
}}

struct tvmgen_fake_outputs tvmgen_fake_map_outputs(struct tvmgen_fake_workspace_pools* pools) {{
  struct tvmgen_fake_outputs outputs;
  outputs.y = (int8_t*)pools->workspace + {elements};
  return outputs;
}}

{body}
int32_t tvmgen_fake_run({run_parameters}) {{
  int8_t* x = (int8_t*){x};
  int8_t* y = (int8_t*){y};
  int32_t code = step(y, x);
  (void)pools;
  TVM_TINY_TRACE(0u, y, {elements}u);
  {more}
  return code;
}}
"""


def fake_model(
    folder: Path,
    *,
    elements: int = 64,
    work: int = 1,
    buffer: int = 16,
    table_bytes: int = 0,
    extra_arena: int = 0,
    body: str = "",
    more: str = "",
    io_in_arena: bool = True,
) -> Path:
    """Writes the folder.

    work    how often the addition is done
    buffer  bytes of the step's local array
    body    C code before, `more` within the run function
    """
    include = folder / "codegen" / "host" / "include"
    source = folder / "codegen" / "host" / "src"
    include.mkdir(parents=True)
    source.mkdir(parents=True)
    shutil.copytree(RUNTIME_C / "include", folder / "runtime" / "include")
    pools = "struct tvmgen_fake_workspace_pools* pools"
    if io_in_arena:
        parameters, x = pools, "tvmgen_fake_map_inputs(pools).x"
        y = "tvmgen_fake_map_outputs(pools).y"
    else:
        parameters = (
            f"struct tvmgen_fake_inputs* inputs, struct tvmgen_fake_outputs* outputs, {pools}"
        )
        x, y = "inputs->x", "outputs->y"
    table = ""
    if table_bytes:
        table = (
            "TVM_TINY_SECTION_RODATA TVM_TINY_ALIGN(16) static const int8_t "
            f"table[{table_bytes}] = {{1}};\n"
        )
        more += "code += 0 * *(volatile const int8_t*)&table[(uint8_t)x[0]];"
    workspace = (2 * elements if io_in_arena else 0) + extra_arena
    names = {
        "workspace": workspace,
        "run_parameters": parameters,
        "table": table,
        "buffer": buffer,
        "add": ADD,
        "work": work,
        "elements": elements,
        "body": body,
        "more": more,
        "x": x,
        "y": y,
    }
    (include / "tvmgen_fake.h").write_text(HEADER.format(**names))
    (source / "lib0.c").write_text(LIBRARY.format(**names))
    tensor = {"shape": [1, elements], "dtype": "int8"}
    info = {
        "inputs": [{"name": "x:0", "c_name": "x", **tensor}],
        "outputs": [{"name": "y:0", "c_name": "y", **tensor}],
        "workspace_bytes": workspace,
        "io_in_arena": io_in_arena,
        "steps": [{"index": 0, "name": "y:0", **tensor}],
        "sha256": dict.fromkeys(("codegen/host/include/tvmgen_fake.h", "codegen/host/src/lib0.c")),
    }
    metadata = {"version": 7, "model_name": NAME, "modules": {NAME: {"tvm_tiny": info}}}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    return folder


def samples(count: int, elements: int = 64) -> list[list[np.ndarray]]:
    rng = np.random.default_rng(0)
    return [[rng.integers(-128, 128, (1, elements)).astype(np.int8)] for _ in range(count)]


def expected(inputs: list[list[np.ndarray]]) -> list[np.ndarray]:
    return [x + np.int8(ADD) for (x,) in inputs]
