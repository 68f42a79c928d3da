"""C that connects compiled models to runtime_c/session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tvm_tiny.archive_reader import Archive

#: Names of what is generated.
HEADER, SOURCE = "tvm_tiny_models.h", "tvm_tiny_models.c"

#: Below runtime_c: what a firmware with a session compiles besides the models and the glue.
RUNTIME_SOURCES = ("session/frame.c", "session/session.c", "session/profile.c")

#: Of the models' own sources, when the time of each step is to be taken: a header of
#: runtime_c/include that each of them includes first (`-include tvm_tiny/session_trace.h`).
TRACE_HEADER = "tvm_tiny/session_trace.h"


def session_sources(archives: Sequence[Archive], *, profile: bool = False) -> dict[str, str]:
    """Texts by relative path: tvm_tiny_models.h and tvm_tiny_models.c.

    They define `const struct tvm_tiny_session_model* const tvm_tiny_models[TVM_TINY_MODELS]` with
    arenas that the models share, and need the include folders of every model and of runtime_c.

    archives  the models, in the order the device lists them
    profile   take the time of each step: the models must be compiled with TRACE_HEADER

    Raises DataError if there is none, or two have the same name.
    """
    raise NotImplementedError
