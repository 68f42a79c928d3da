"""docs/pipeline.svg: forms of a model from file to firmware, and passes between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import svg
from .passes_reference import pipeline_names

_WIDTH, _HEIGHT, _ACROSS, _MARGIN = 186, 88, 212, 20
_LINE = 18
_CHECKED = "checked by an integer reference in NumPy: the same bytes, tensor by tensor"


@dataclass(frozen=True)
class Form:
    """A form of the model.

    made_by  rooms or functions that make the form before any pass
    first    the first of the passes that make the form; "" for none
    is_file  whether the form is a file
    checked  whether invariants are checked in this form
    """

    title: str
    lines: Sequence[str]
    made_by: Sequence[str] = ()
    first: str = ""
    is_file: bool = False
    checked: bool = False


_FORMS = (
    Form("model file", ("TFLite int8 · ONNX QDQ,", "QLinear · float + samples"), is_file=True),
    Form("Relax, QDQ", ("one canonical form:", "NHWC, OHWI"), ("frontend",), "ConvertLayout"),
    Form("Relax, integers", ("exact operators,", "run on TVM's VM"), (), "LowerQDQ", checked=True),
    Form(
        "TIR row kernels",
        ("one output row a call,", "one arena, byte offsets"),
        (),
        "LowerToRowKernels",
        checked=True,
    ),
    Form("C99", ("no malloc, no libm,", "reproducible archive"), ("aot",)),
    Form(
        "firmware",
        ("bare metal, or QEMU:", "M0 to M55, RISC-V"),
        ("micro",),
        is_file=True,
        checked=True,
    ),
)


def picture() -> str:
    """The text of docs/pipeline.svg."""
    made = [made_by(form) for form in _FORMS]
    lists_end = _MARGIN + _HEIGHT + 26 + _LINE * max(map(len, made))
    width = 2 * _MARGIN + _ACROSS * (len(_FORMS) - 1) + _WIDTH
    bar = svg.Box(_MARGIN, lists_end + 22, width - 2 * _MARGIN, 38, "", (), svg.AMBER)
    label = "From a model file through Relax and TIR to C99 and firmware, with the passes between"
    words = svg.text(bar.centre, bar.y + 24, _CHECKED, 14)
    parts = [*_forms(made, bar.y), bar.svg(), words]
    return svg.picture(width, bar.y + bar.height + _MARGIN, label, parts)


def made_by(form: Form) -> list[str]:
    """Names of the rooms and passes that make a form."""
    if not form.first:
        return list(form.made_by)
    names = pipeline_names()
    starts = [names.index(other.first) for other in _FORMS if other.first]
    start = names.index(form.first)
    end = min((s for s in starts if s > start), default=len(names))
    return [*form.made_by, *names[start:end]]


def _forms(made: Sequence[Sequence[str]], bar: float) -> Iterator[str]:
    middle = _MARGIN + _HEIGHT / 2
    for k, (form, names) in enumerate(zip(_FORMS, made, strict=True)):
        colours = svg.GREEN if form.is_file else svg.BLUE
        left = _MARGIN + k * _ACROSS
        box = svg.Box(left, _MARGIN, _WIDTH, _HEIGHT, form.title, form.lines, colours)
        yield box.svg()
        if k:
            yield svg.arrow(f"M{left - _ACROSS + _WIDTH + 2} {middle:g} L{left - 2} {middle:g}")
        under = _MARGIN + _HEIGHT + 24
        for row, name in enumerate(names):
            yield svg.text(box.centre, under + row * _LINE, name, 13)
        if form.checked:
            top = under + _LINE * len(names) - 6
            yield svg.arrow(f"M{box.centre:g} {bar:g} L{box.centre:g} {top:g}", dashed=True)
