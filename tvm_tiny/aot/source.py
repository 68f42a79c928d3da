"""C sources of a program: plain data into whole-file templates."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jinja2
import numpy as np

from tvm_tiny._version import __version__
from tvm_tiny.archive.versions import ABI_VERSION
from tvm_tiny.interface import Port
from tvm_tiny.schedules.stages.looped import DEPTH

from .arenas import arenas, arenas_of, copies, used_arenas
from .orders import counter_type
from .program import Call, Move, Operand, Program

_C_TYPES = {
    "bool": "bool",
    "float32": "float",
    "float64": "double",
    **{f"{sign}int{bits}": f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
_LINE_WIDTH = 100
# Converters join the names of all operators that they fuse; metadata.json has these names whole.
_NAME_WIDTH = 60


def generate_sources(program: Program) -> dict[str, str]:
    """All headers and sources of a program: file name below codegen/host -> text."""
    context = _context(program)
    name = program.name
    files = {
        f"include/tvmgen_{name}.h": "model.h.j2",
        f"src/tvmgen_{name}.c": "driver.c.j2",
        f"src/tvmgen_{name}_kernels.c": "kernels.c.j2",
        f"src/tvmgen_{name}_kernels.h": "kernels.h.j2",
        f"src/tvmgen_{name}_weights.c": "weights.c.j2",
    }
    return {path: render(template, context) for path, template in sorted(files.items())}


def render(template: str, context: Mapping[str, Any]) -> str:
    """Fills one of the package's templates."""
    return _templates().get_template(template).render(context)


@functools.cache
def _templates() -> jinja2.Environment:
    """The templates, compiled once: compiling takes longer than filling them."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("tvm_tiny", "templates"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )


def _context(program: Program) -> dict[str, Any]:
    prefix = f"tvmgen_{program.name}"
    inputs = list(_ports(program, "input"))
    outputs = list(_ports(program, "output"))
    steps = [_step(program, prefix, k) for k in range(len(program.steps))]
    in_orders = [number for step in steps if step["order"] for number in step["order"].numbers]
    return {
        "name": program.name,
        "version": __version__,
        "prefix": prefix,
        "macro": prefix.upper(),
        "guard_name": f"{prefix}.h",
        "abi_version": ABI_VERSION,
        "io_in_arena": program.io_in_arena,
        "workspace_bytes": program.workspace_bytes,
        "inputs": inputs,
        "outputs": outputs,
        "ports": inputs + outputs,
        "nulls_in": ", ".join(["0"] * max(len(inputs), 1)),
        "nulls_out": ", ".join(["0"] * len(outputs)),
        "arenas": arenas(program),
        "used_arenas": used_arenas(program),
        "has_pools": bool(program.pools),
        "copies": copies(program, prefix),
        "weights_section": program.weights_section,
        "steps": steps,
        "order_end": program.order_end,
        "order_levels": DEPTH,
        "order_type": counter_type(max(in_orders)) if in_orders else None,
        "has_layers": any(_is_layer(program, calls) for calls in program.steps),
        "push": _push(program, prefix),
        "finish": _finish(program, prefix),
        "constants": [_constant(program, prefix, k) for k in range(len(program.constants))],
        "declarations": program.kernels.declarations,
        "definitions": program.kernels.definitions,
        "needs_libm": program.kernels.needs_libm,
        "micro_kernels": program.kernels.headers,
    }


def _is_layer(program: Program, calls: Sequence[Call]) -> bool:
    """Whether the driver runs a step as a loop over the rows of one operator."""
    call = calls[0]
    is_plain = call is not program.streamed and call.patches is None
    return len(calls) == 1 and call.events is not None and is_plain


def _ports(program: Program, kind: str) -> Iterator[dict[str, Any]]:
    ports = program.interface.inputs if kind == "input" else program.interface.outputs
    names = program.input_names if kind == "input" else program.output_names
    offsets = program.input_offsets if kind == "input" else program.output_offsets
    pools = program.input_pools if kind == "input" else program.output_pools
    places = zip(offsets, (program.arena_names[pool] for pool in pools), strict=True)
    for position, (port, c_name, place) in enumerate(zip(ports, names, places, strict=True)):
        yield {
            "kind": kind.capitalize(),
            "position": position,
            "comment": _comment(port.name),
            "literal": _literal(port.name),
            "remarks": list(_remarks(port)),
            "c_name": c_name,
            "c_type": _C_TYPES[port.dtype],
            "macro": f"TVMGEN_{program.name}_{kind}_{position}".upper(),
            "dtype": port.dtype,
            "shape": port.shape,
            "shape_text": _shape(port.shape),
            "bytes": port.bytes,
            "elements": port.bytes // np.dtype(port.dtype).itemsize,
            "scale": _float(port),
            "zero_point": port.zero_point,
            "offset": place[0],
            "arena": place[1],
        }


def _remarks(port: Port) -> Iterator[str]:
    """Remarks in the header on how to fill or read a tensor."""
    if port.scale is not None and port.zero_point is not None:
        zero_point = f"+ {-port.zero_point}" if port.zero_point < 0 else f"- {port.zero_point}"
        yield f"real value = {np.float32(port.scale):.9g} * (q {zero_point})"
    if port.permutation is not None:
        yield (
            f"In the model it is {port.model_dtype} {_shape(port.model_shape)}: here its axes "
            f"{', '.join(map(str, port.permutation))}, in this order."
        )
    elif port.model_dtype != port.dtype:
        yield f"In the model it is {port.model_dtype}."


def _shape(shape: Sequence[int]) -> str:
    return f"[{', '.join(map(str, shape))}]" if shape else "(one value)"


def _float(port: Port) -> str | None:
    """The scale as a C float constant that reads back as the same float32."""
    if port.scale is None:
        return None
    return f"{_float_text(port.scale)}"


def _float_text(value: float) -> str:
    text = f"{np.float32(value):.9g}"
    return f"{text}f" if any(c in text for c in ".e") else f"{text}.0f"


def _comment(text: str) -> str:
    """Text made safe for a C comment of one line, and cut if long."""
    plain = "".join(c if c.isprintable() and c.isascii() and c != "\\" else "?" for c in text)
    plain = plain.replace("*/", "* /").replace("/*", "/ *")
    return plain if len(plain) <= _NAME_WIDTH else f"{plain[: _NAME_WIDTH - 3]}..."


def _literal(text: str) -> str:
    """The inside of a C string literal that has the UTF-8 bytes of a text."""
    return "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\?' else f"\\{byte:03o}"
        for byte in text.encode("utf-8", "surrogateescape")
    )


def _step(program: Program, prefix: str, index: int) -> dict[str, Any]:
    """A step of the driver: one call, a loop over rows, or a stage."""
    calls = program.steps[index]
    filled = [
        _call(program, prefix, call, f"done[{k}]") | {"position": k} for k, call in enumerate(calls)
    ]
    pushes = calls[0] is program.streamed
    counter = counter_type(max(call.events or 0 for call in calls))
    order = program.orders[index]
    return {
        "pushes": pushes,
        "calls": filled,
        "stage": order and f"{prefix}_stage_{calls[0].index}",
        "order": order,
        "order_values": order and _values(np.array(order.numbers, "uint16"), 4),
        "tiles": _tiles(prefix, calls),
        "counter": counter,
        **_stage_interface(program, prefix, calls),
    }


def _tiles(prefix: str, calls: Sequence[Call]) -> dict[str, Any] | None:
    """Values for the function that runs a patch stage's tiles."""
    patches = [call.patches for call in calls if call.patches is not None]
    if not patches:
        return None
    rows = list(zip(*(p.events for p in patches), strict=True))
    return {
        "function": f"{prefix}_tile_{calls[0].index}",
        "columns": len(patches[0].columns),
        "first": [[first for first, _ in row] for row in rows],
    }


def _stage_interface(program: Program, prefix: str, calls: Sequence[Call]) -> dict[str, list[str]]:
    """Parameters of a function that runs calls, and the arguments that the driver passes."""
    operands = list(program.operands(calls))
    variables = [arena.variable for arena in arenas_of(program, operands)]
    parameters = {name: f"uint8_t* {name}" for name in variables}
    for location in ("input", "output"):
        if any(operand.location == location for operand in operands):
            parameters[f"{location}s"] = f"const struct {prefix}_{location}s* {location}s"
    if program.streamed in calls:
        parameters["state"] = f"struct {prefix}_state* state"
    return {"parameters": list(parameters.values()), "arguments": list(parameters)}


def _finish(program: Program, prefix: str) -> dict[str, Any]:
    """Parameters and arguments of the function that runs the steps behind the last row."""
    steps = (calls for calls in program.steps if program.streamed not in calls)
    return _stage_interface(program, prefix, [call for calls in steps for call in calls])


def _push(program: Program, prefix: str) -> dict[str, Any] | None:
    """Values for the entry point that takes rows of the input."""
    call = program.streamed
    if call is None:
        return None
    done, place = "state->done", call.outputs[0]
    slot = f"{done}[0] * {call.row_bytes}"
    if call.moves[-1] is None:
        slot = f"{done}[0] % {call.buffer_rows} * {call.row_bytes}"
    return {
        "index": call.index,
        "rows": call.events,
        "row_bytes": call.row_bytes,
        "target": f"{_pointer(program, prefix, place, call.moves[-1], done=done)} + {slot}",
        "arena": arenas(program)[place.pool],
        "state_offset": program.state_offset,
        "state_bytes": program.state_bytes,
    }


def _call(program: Program, prefix: str, call: Call, event: str) -> dict[str, Any]:
    """Values for a call of a step; event: C expression of the event that runs."""
    # A row of a streamed input comes from the caller: no kernel reads it.
    read = () if call is program.streamed else call.inputs
    moves = call.moves or (None,) * (len(call.inputs) + 1)
    of_inputs, of_outputs = moves[:-1], (moves[-1], *(None for _ in call.written[1:]))
    inputs = [
        _pointer(program, prefix, op, move, const=True)
        for op, move in zip(read, of_inputs, strict=False)
    ]
    outputs = [
        _pointer(program, prefix, op, move)
        for op, move in zip(call.written, of_outputs, strict=True)
    ]
    if call.patches is not None:
        inputs[-1] += f" + tile * {call.patches.line}"
    result = call.outputs[0]
    return {
        "index": call.index,
        "op": call.op,
        "comment": _comment(call.name),
        "result": f"{result.dtype} {_shape(call.shape)}",
        "function": f"{prefix}_{call.function}",
        "arguments": inputs + outputs,
        "events": call.events,
        "backward": call.backward,
        "trace": {"pointer": outputs[0], "bytes": result.bytes},
        "row": _row_trace(call, outputs[0], event),
    }


def _row_trace(call: Call, pointer: str, event: str) -> dict[str, Any]:
    """Values for the trace of a row; one of several events is traced last."""
    if call.events != call.rows:
        return {"pointer": pointer, "bytes": call.outputs[0].bytes, "last_only": True}
    if call.buffer_rows == 1:
        return {"pointer": pointer, "bytes": call.row_bytes, "last_only": False}
    moves = bool(call.moves) and call.moves[-1] is not None
    slot = event if call.events == call.buffer_rows or moves else f"({event} % {call.buffer_rows})"
    place = f"(const uint8_t*)({pointer}) + {slot} * {call.row_bytes}"
    return {"pointer": place, "bytes": call.row_bytes, "last_only": False}


def _pointer(
    program: Program,
    prefix: str,
    operand: Operand,
    move: Move | None = None,
    *,
    const: bool = False,
    done: str = "done",
) -> str:
    """An argument in C; done: the array of how often each call has run."""
    c_type = f"{'const ' if const else ''}{_C_TYPES[operand.dtype]}*"
    operand = program.place(operand)
    if operand.location == "constant":
        return f"{prefix}_constant_{operand.where}"
    if operand.location == "arena":
        offset = str(operand.where)
        if move is not None:
            sign = "-" if move.step < 0 else "+"
            events = f"{done}[{move.position}] * {abs(move.step)}"
            offset = f"{operand.where + move.first} {sign} {events}"
        return f"({c_type}){arenas(program)[operand.pool].place(offset)}"
    names = program.input_names if operand.location == "input" else program.output_names
    return f"({c_type}){operand.location}s->{names[operand.where]}"


def _constant(program: Program, prefix: str, index: int) -> dict[str, Any]:
    array = program.constants[index]
    readers = [
        f"{call.index} as in{position}"
        for call in program.calls
        for position, operand in enumerate(call.inputs)
        if operand.location == "constant" and operand.where == index
    ]
    others = f" and {len(readers) - 3} more" if len(readers) > 3 else ""
    return {
        "name": f"{prefix}_constant_{index}",
        "comment": f"{array.dtype} {_shape(array.shape)}, read by step "
        f"{', '.join(readers[:3]) or '(none)'}{others}",
        "c_type": _C_TYPES[str(array.dtype)],
        "elements": max(array.size, 1),
        "initializer": _values(array),
    }


def _values(array: np.ndarray, indent: int = 2) -> str:
    """C initializers, as many to a line as fit."""
    if array.dtype.kind == "f":
        words = [_float_text(float(v)) for v in array.reshape(-1)]
    else:
        # INT32_MIN has no literal in C: -2147483648 is a minus applied to a wider constant.
        words = [_integer(int(v), str(array.dtype)) for v in array.reshape(-1)] or ["0"]
    width = max(map(len, words), default=1) + 2
    per_line = max(1, _LINE_WIDTH // width)
    lines = (words[k : k + per_line] for k in range(0, len(words), per_line))
    return "\n".join(" " * indent + ", ".join(line) + "," for line in lines)


def _integer(value: int, dtype: str) -> str:
    if dtype == "int32" and value == -(1 << 31):
        return "(-2147483647 - 1)"
    if dtype == "int64":
        return "(-9223372036854775807LL - 1)" if value == -(1 << 63) else f"{value}LL"
    return str(value)
