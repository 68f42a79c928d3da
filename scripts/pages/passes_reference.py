"""docs/passes.md: every public pass, from its docstring and its signature."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass

import tvm_tiny
from tvm_tiny import transform

from .docstring import Docstring, parse
from .template import TEMPLATES


@dataclass(frozen=True)
class Option:
    """An argument of a pass's constructor, as text."""

    name: str
    type: str
    default: str
    text: str


@dataclass(frozen=True)
class PassEntry:
    """A section of the page. module: the file below passes/."""

    name: str
    file: str
    doc: Docstring
    options: tuple[Option, ...]


def pipeline_names() -> list[str]:
    """Names of the passes of `tvm_tiny.pipeline`, in its order."""
    return [found.info.name.removeprefix("tvm_tiny.") for found in tvm_tiny.pipeline().passes]


def entry(name: str) -> PassEntry:
    """The section of the public pass with this name."""
    cls = getattr(transform, name)
    parameters = _parameters(cls)
    doc = parse(inspect.getdoc(cls) or "", [parameter.name for parameter in parameters])
    options = tuple(_option(parameter, doc) for parameter in parameters)
    file = cls.__module__.removeprefix("tvm_tiny.").replace(".", "/") + ".py"
    return PassEntry(name, file, doc, options)


def page() -> str:
    """The text of docs/passes.md."""
    first = pipeline_names()
    others = [name for name in transform.__all__ if name not in first]
    template = TEMPLATES.get_template("passes.md.j2")
    return template.render(pipeline=[entry(n) for n in first], others=[entry(n) for n in others])


def _parameters(cls: type) -> list[inspect.Parameter]:
    """Parameters of a pass's constructor.

    Without an own constructor, TVM's class decorator has `*args, **kwargs`, which do not count.
    """
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p for p in inspect.signature(cls).parameters.values() if p.kind not in variadic]


def _option(parameter: inspect.Parameter, doc: Docstring) -> Option:
    default = "required" if parameter.default is inspect.Parameter.empty else _code(parameter)
    text = doc.options.get(parameter.name, "").rstrip(".").replace("|", "\\|")
    return Option(parameter.name, str(parameter.annotation).replace("|", "\\|"), default, text)


def _code(parameter: inspect.Parameter) -> str:
    """A default as Python code; an empty mapping proxy is shown as the mapping."""
    shown = re.sub(r"mappingproxy\((.*)\)", r"\1", repr(parameter.default))
    return f"`{shown}`"
