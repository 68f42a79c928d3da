"""Host programs around generated models: exact arenas from malloc, threads, models side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from aot.host_library import HostModel, build_library, include_flags, run_tool, sources

import tvm_tiny

HEAD = """\
#define _POSIX_C_SOURCE 200112L
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
"""
# One inference with memory of its own; what differs is reported by exit code.
CHECK = """\
static int check_{name}(void) {{
  struct tvmgen_{name}_workspace_pools pools = {{0}};
  int differs = 0;
{arenas}
  {{
{body}
  }}
{frees}
  return differs;
}}
"""
ARENA = """\
  pools.{member} = malloc({size});
  if (pools.{member} == 0) return 1;
  memset(pools.{member}, 0xA5, {size});"""
MAIN = """\
static void* work(void* argument) {{
  int* failures = argument;
  int repeat;
  for (repeat = 0; repeat < {repeats}; repeat++) {{
{calls}
  }}
  return 0;
}}

int main(void) {{
  enum {{ THREADS = {threads} }};
  pthread_t threads[THREADS];
  int failures[THREADS] = {{0}};
  int total = 0;
  int k;
  for (k = 0; k < THREADS; k++) {{
    if (pthread_create(&threads[k], 0, work, &failures[k]) != 0) return 2;
  }}
  for (k = 0; k < THREADS; k++) {{
    if (pthread_join(threads[k], 0) != 0) return 2;
    total += failures[k];
  }}
  printf("%d failures\\n", total);
  return total != 0;
}}
"""


def run_program(
    models: Sequence[tvm_tiny.CompiledModel],
    folder: Path,
    *,
    flags: Sequence[str] = ("-O1",),
    threads: int = 1,
    repeats: int = 1,
) -> None:
    """Builds one program of all models; each must give what the shared library gives."""
    library = build_library(models, folder)
    includes = "".join(f'#include "tvmgen_{m.program.name}.h"\n' for m in models)
    checks = "".join(_check(library[model.program.name]) for model in models)
    calls = "\n".join(f"    *failures += check_{m.program.name}();" for m in models)
    main = MAIN.format(repeats=repeats, threads=threads, calls=calls)
    source = folder / "main.c"
    source.write_text(f"{HEAD}{includes}\n{checks}{main}")
    program = folder / "program"
    command = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-g", *flags]
    run_tool(
        [
            *command,
            *include_flags(folder),
            source,
            *sources(folder),
            "-o",
            program,
            "-lm",
            "-lpthread",
        ]
    )
    assert run_tool([program]) == "0 failures\n"


def _check(model: HostModel) -> str:
    program, rng = model.program, np.random.default_rng(0)
    inputs = [
        rng.integers(0, 100, port.shape).astype(port.dtype) for port in program.interface.inputs
    ]
    body = _arena_body if program.io_in_arena else _own_body
    body = _streamed_body if program.streamed is not None else body
    init = f"    differs += tvmgen_{program.name}_init(&pools) != 0;"
    lines = [*body(model, inputs)]
    # Behind the data; before anything else is called.
    lines.insert(len(inputs) + len(program.interface.outputs), init if program.copied else "")
    sizes = [pool.bytes for pool in program.pools] or [program.workspace_bytes]
    members = [pair for pair in zip(program.arena_names, sizes, strict=True) if pair[1]]
    return CHECK.format(
        name=program.name,
        arenas="\n".join(ARENA.format(member=member, size=size) for member, size in members),
        body="\n".join(lines),
        frees="\n".join(f"  free(pools.{member});" for member, _ in members),
    )


def _data(name: str, array: np.ndarray) -> str:
    values = ",".join(map(str, array.tobytes())) or "0"
    return f"    static const uint8_t {name}[] = {{{values}}};"


def _arena_body(model: HostModel, inputs: Sequence[np.ndarray]) -> list[str]:
    program, name = model.program, model.program.name
    outputs = model.run(inputs)
    lines = [_data(f"x{k}", x) for k, x in enumerate(inputs)]
    lines += [_data(f"y{k}", y) for k, y in enumerate(outputs)]
    if inputs:
        lines.append(f"    struct tvmgen_{name}_inputs in = tvmgen_{name}_map_inputs(&pools);")
    lines.append(f"    struct tvmgen_{name}_outputs out = tvmgen_{name}_map_outputs(&pools);")
    for k, (c_name, x) in enumerate(zip(program.input_names, inputs, strict=True)):
        lines.append(f"    memcpy(in.{c_name}, x{k}, {x.nbytes});")
    lines.append(f"    differs += tvmgen_{name}_run(&pools) != 0;")
    for k, (c_name, y) in enumerate(zip(program.output_names, outputs, strict=True)):
        lines.append(f"    differs += memcmp(out.{c_name}, y{k}, {y.nbytes}) != 0;")
    return lines


def _streamed_body(model: HostModel, inputs: Sequence[np.ndarray]) -> list[str]:
    """Rows from memory of their own size that is freed at once; every other one in place."""
    program, name = model.program, model.program.name
    streamed = program.streamed
    assert streamed is not None
    outputs = model.run(inputs)
    lines = [_data("x0", inputs[0]), *(_data(f"y{k}", y) for k, y in enumerate(outputs))]
    lines += [
        f"    struct tvmgen_{name}_outputs out = tvmgen_{name}_map_outputs(&pools);",
        "    int32_t k;",
        f"    differs += tvmgen_{name}_begin(&pools) != 0;",
        f"    for (k = 0; k < {streamed.events}; ++k) {{",
        f"      void* given = malloc({streamed.row_bytes});",
        f"      void* row = k % 2 == 0 ? given : tvmgen_{name}_next_row(&pools);",
        f"      memcpy(row, x0 + k * {streamed.row_bytes}, {streamed.row_bytes});",
        f"      differs += tvmgen_{name}_push_row(&pools, row) != 0;",
        "      free(given);",
        "    }",
    ]
    for k, (c_name, y) in enumerate(zip(program.output_names, outputs, strict=True)):
        lines.append(f"    differs += memcmp(out.{c_name}, y{k}, {y.nbytes}) != 0;")
    return lines


def _own_body(model: HostModel, inputs: Sequence[np.ndarray]) -> list[str]:
    program, name = model.program, model.program.name
    outputs = model.run(inputs)
    lines = [_data(f"x{k}", x) for k, x in enumerate(inputs)]
    lines += [_data(f"y{k}", y) for k, y in enumerate(outputs)]
    lines += [f"    struct tvmgen_{name}_inputs in = {{0}};"]
    lines += [f"    struct tvmgen_{name}_outputs out = {{0}};"]
    for k, (c_name, x) in enumerate(zip(program.input_names, inputs, strict=True)):
        lines.append(f"    in.{c_name} = malloc({max(x.nbytes, 1)});")
        lines.append(f"    memcpy(in.{c_name}, x{k}, {x.nbytes});")
    for c_name, y in zip(program.output_names, outputs, strict=True):
        lines.append(f"    out.{c_name} = malloc({max(y.nbytes, 1)});")
    lines.append(f"    differs += tvmgen_{name}_run(&in, &out, &pools) != 0;")
    for k, (c_name, y) in enumerate(zip(program.output_names, outputs, strict=True)):
        lines.append(f"    differs += memcmp(out.{c_name}, y{k}, {y.nbytes}) != 0;")
        lines.append(f"    free(out.{c_name});")
    lines += [f"    free(in.{c_name});" for c_name in program.input_names]
    return lines
