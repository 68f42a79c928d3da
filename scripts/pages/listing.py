"""Shortens TVM's printed modules and the generated C for readers."""

from __future__ import annotations

import json
import re
import textwrap

from tvm.ir import IRModule

# Replacements that shorten lines: defaults of operators, TVM's spelling of types and constants.
_SHORTER = (
    (r'metadata\["ir\.GenericConst"\]\[(\d+)\]', r"C[\1]"),
    (r'\bdtype="(\w+)"', r'"\1"'),
    (r'T\.Cast\("(\w+)", ', r"T.\1("),
    (r", ret_ty=metadata\S+\]", ""),
    (r", dilation=\[1, 1\], groups=1", ""),
    (r", out_layout=\"\w+\", out_dtype=None", ""),
    (r", out_dtype=\"\w+\", axis=-1", ""),
    (r", out_dtype=\"\w+\"", ""),
    (r"strides=\[1, 1\], ", ""),
    (r"^ *[RT]\.func_attr.*\n", ""),
    (r"^ *cls = Module\n", ""),
    (r"^ *T\.(reads|writes).*\n", ""),
)
# Replacements in kernels: buffers over a pointer x and flat views of it, named x_1 and x_2.
_VIEWS = ((r"^ *\w+_\d = (T\.decl_buffer|\w+\.view).*\n", ""), (r"\b([a-z]+)_[12]\b", r"\1"))
_WIDTH = 100


def function(mod: IRModule, name: str) -> str:
    """One function of a module as TVM prints it, without attributes and defaults."""
    text = mod.script(show_meta=False)
    for pattern, shorter in _SHORTER:
        text = re.sub(pattern, shorter, text, flags=re.MULTILINE)
    text = re.sub(r"R\.const\((-?[\d.]+),", lambda m: f"R.const({float(m[1]):.6g},", text)
    parts = re.split(r"\n(?=    @)", text)
    found = next(part for part in parts if f"def {name}(" in part)
    found = found.split("\n# Metadata")[0]
    for pattern, shorter in _VIEWS if "T.decl_buffer" in found else ():
        found = re.sub(pattern, shorter, found, flags=re.MULTILINE)
    return "\n".join(_broken(line) for line in textwrap.dedent(found).strip().splitlines())


def attribute(mod: IRModule, name: str) -> str:
    """An attribute of main that holds JSON, indented."""
    text = json.dumps(json.loads(str(mod["main"].attrs[name])), indent=2)
    # Joins each list of numbers to one line.
    return re.sub(r"\[[\d\s,-]+\]", lambda m: "".join(m[0].split()).replace(",", ", "), text)


def c_function(source: str, name: str) -> str:
    """The definition of a function in generated C."""
    match = re.search(rf"^\w+ {name}\(.*?^\}}$", source, re.MULTILINE | re.DOTALL)
    assert match is not None, f"no function {name}"
    return "\n".join(_broken(line) for line in match[0].splitlines())


def _broken(line: str) -> str:
    """Breaks a long line after commas and before factors."""
    own = " " * (len(line) - len(line.lstrip()))
    kept = re.sub(r"(?<!,) (?!\* T\.)", "\0", line.lstrip())  # other spaces must not end a line
    lines = textwrap.wrap(
        kept, _WIDTH, initial_indent=own, subsequent_indent=own + " " * 8, break_long_words=False
    )
    return "\n".join(lines).replace("\0", " ")
