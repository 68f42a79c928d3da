"""Generates the C that connects compiled models to runtime_c/session."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jinja2

from tvm_tiny._version import __version__
from tvm_tiny.archive.metadata import Tensor
from tvm_tiny.errors import DataError

from .models import describe, step_count

if TYPE_CHECKING:
    from tvm_tiny.archive.reader import Archive

#: Names of the generated files.
HEADER, SOURCE = "tvm_tiny_models.h", "tvm_tiny_models.c"

#: Sources below runtime_c that firmware with a session compiles besides models and glue.
RUNTIME_SOURCES = (
    "session/frame.c",
    "session/measure.c",
    "session/profile.c",
    "session/session.c",
)

#: Header of runtime_c/include that the models' sources include first when the time of each step is
#: taken (`-include tvm_tiny/session_trace.h`).
TRACE_HEADER = "tvm_tiny/session_trace.h"


@dataclass(frozen=True)
class _Arena:
    """An array that models with an arena of one name share. section: a macro, or "" for none."""

    c_name: str
    bytes: int
    section: str


@dataclass(frozen=True)
class _Model:
    """Fields of a model that the template prints.

    arenas: for each arena, the shared array and the bytes of it that this model needs.
    """

    name: str
    prefix: str
    description: list[str]
    arenas: list[_Arena]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    io_in_arena: bool
    stream_input: bool
    copies_weights: bool
    profile_steps: int

    @property
    def begins(self) -> bool:
        """Whether something has to be done before the inputs are written."""
        return self.copies_weights or self.stream_input


def session_sources(archives: Sequence[Archive], *, profile: bool = False) -> dict[str, str]:
    """Texts by relative path: tvm_tiny_models.h and tvm_tiny_models.c.

    The files define `const struct tvm_tiny_session_model* const tvm_tiny_models[TVM_TINY_MODELS]`
    with arenas that the models share. Compiling them takes the include folders of every model and
    of runtime_c.

    archives  the models, in the order the device lists them
    profile   take the time of each step: the models must be compiled with TRACE_HEADER

    Raises DataError if there is none, or two have the same name.
    """
    names = [archive.info.name for archive in archives]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names:
        raise DataError("a session needs at least one model")
    if twice:
        raise DataError(
            f"two models are named {twice[0]!r}: compile one of them with another --name"
        )
    models = [_model(archive, profile) for archive in archives]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tvm_tiny", "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    values = {"models": models, "arenas": _shared(models), "version": __version__}
    return {
        HEADER: environment.get_template("session_models.h.j2").render(values),
        SOURCE: environment.get_template("session_models.c.j2").render(values),
    }


def _model(archive: Archive, profile: bool) -> _Model:
    info = archive.info
    return _Model(
        name=info.name,
        prefix=info.prefix,
        description=_literals(describe(archive, profile=profile)),
        arenas=_arenas(archive),
        inputs=info.inputs,
        outputs=info.outputs,
        io_in_arena=info.io_in_arena,
        stream_input=info.stream_input,
        copies_weights=info.copies_weights,
        profile_steps=step_count(archive) if profile else 0,
    )


def section_macros(archive: Archive) -> tuple[str, ...]:
    """Macros that choose the section of each arena; none for a model with one arena.

    The model's header defines the macros that are not defined already.
    """
    info = archive.info
    return tuple(f"{info.prefix}_section_{pool.name}".upper() for pool in info.pools)


def _arenas(archive: Archive) -> list[_Arena]:
    macros = section_macros(archive) or ("",)
    return [
        _Arena(f"tvm_tiny_arena_{pool.c_name}", max(pool.bytes, 1), macro)
        for pool, macro in zip(archive.info.arenas, macros, strict=True)
    ]


def _shared(models: Sequence[_Model]) -> list[_Arena]:
    """One arena for each name, as large as any model needs.

    Its section is that of the first model with an arena of that name.
    """
    shared: dict[str, _Arena] = {}
    for arena in (arena for model in models for arena in model.arenas):
        known = shared.get(arena.c_name, arena)
        size = max(known.bytes, arena.bytes)
        shared[arena.c_name] = _Arena(arena.c_name, size, known.section)
    return list(shared.values())


def _literals(text: str) -> list[str]:
    """Pieces of a C string literal. A question mark is escaped: C99 has trigraphs."""
    escapes = {"\\": "\\\\", '"': '\\"', "?": "\\?"}
    pieces = textwrap.wrap(text, 80, break_on_hyphens=False, drop_whitespace=False)
    return ["".join(escapes.get(letter, letter) for letter in piece) for piece in pieces]
