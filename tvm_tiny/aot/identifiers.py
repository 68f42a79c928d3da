"""Names of tensors and pools as C identifiers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

# Names that no member of a structure can have in C or C++, as the header serves both: keywords, and
# macros that compilers and common headers define.
_RESERVED_TEXT = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl concept
const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype
default delete do double dynamic_cast else enum explicit export extern false float for friend
goto if inline int long mutable namespace new noexcept not not_eq nullptr operator or or_eq
private protected public register reinterpret_cast requires restrict return short signed sizeof
static static_assert static_cast struct switch template this thread_local throw true try typedef
typeid typename typeof typeof_unqual union unsigned using virtual void volatile wchar_t while
xor xor_eq _Alignas _Alignof _Atomic _Bool _Complex _Generic _Imaginary _Noreturn
_Static_assert _Thread_local I NULL errno linux unix assert complex imaginary offsetof
"""
_RESERVED = frozenset(_RESERVED_TEXT.split())


def c_identifiers(names: Iterable[str]) -> tuple[str, ...]:
    """Names as distinct C identifiers, as microTVM sanitizes them: other characters become _.

    Keywords of C and C++ and common macros get a _ behind them; repeated names get a number.
    """
    result: list[str] = []
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_]", "_", name) or "tensor"
        plain = f"_{plain}" if plain[0].isdigit() else plain
        plain = f"{plain}_" if plain in _RESERVED else plain
        numbered = (f"{plain}_{k}" for k in itertools.count(1))
        result.append(next(n for n in itertools.chain([plain], numbered) if n not in result))
    return tuple(result)
