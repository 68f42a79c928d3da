"""Reads values of options from command lines and JSON, and checks them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tvm_tiny.errors import DataError
from tvm_tiny.text import did_you_mean

from .base import METHODS, Option, OptionValue, Values

_BOOLS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def split_assignments(assignments: Iterable[str]) -> dict[str, str]:
    """`["k=v", ...]` as a dict; DataError for text without `=` and for a repeated name."""
    values: dict[str, str] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise DataError(f"project option {text!r}: expected NAME=VALUE")
        if name in values:
            raise DataError(f"project option {name!r} is given twice")
        values[name] = value
    return values


def check_values(
    kind: str,
    options: Sequence[Option],
    given: Mapping[str, object],
    method: str,
    *,
    strict: bool = True,
) -> dict[str, OptionValue]:
    """Checked values for a method, with defaults, sorted by name.

    kind    name of the project type, for messages
    given   None stands for an option that is not given
    strict  refuse options that only other methods take; otherwise they are left out

    Raises DataError for unknown options, values that an option does not allow, missing options.
    """
    known = {option.name: option for option in options}
    values: dict[str, OptionValue] = {}
    for name, value in given.items():
        if name not in known:
            raise DataError(
                f"unknown option {name!r} of project type {kind!r}{did_you_mean(name, known)}"
            )
        if not takes(known[name], method):
            if strict:
                raise DataError(
                    f"option {name!r} of project type {kind!r} is for {_methods(known[name])}, "
                    f"not for {method}"
                )
        elif value is not None:
            values[name] = _value(known[name], value)
    _fill(kind, options, values, method)
    return dict(sorted(values.items()))


def merged(base: Values, top: Values) -> dict[str, OptionValue]:
    """The values of `base`, overridden by those of `top`."""
    return {**base, **top}


def takes(option: Option, method: str) -> bool:
    """Whether a method takes an option."""
    return method in option.required_in or method in option.optional_in


def _methods(option: Option) -> str:
    return ", ".join(m for m in METHODS if takes(option, m))


def _fill(
    kind: str, options: Sequence[Option], values: dict[str, OptionValue], method: str
) -> None:
    for option in options:
        if option.name in values or not takes(option, method):
            continue
        if option.default is not None:
            values[option.name] = option.default
        elif method in option.required_in:
            known = f" (one of {', '.join(option.choices)})" if option.choices else ""
            raise DataError(f"project type {kind!r} needs option {option.name!r}{known}")


def _value(option: Option, value: object) -> OptionValue:
    """A value of the option's type, from JSON or from a command line."""
    if option.type == "bool":
        return _bool(option, value)
    if option.type == "int":
        return _int(option, value)
    if not isinstance(value, str):
        raise DataError(f"option {option.name!r}: {value!r}, expected text")
    if option.choices and value not in option.choices:
        what = "board" if option.name == "board" else f"value of option {option.name!r}:"
        raise DataError(f"unknown {what} {value!r}{did_you_mean(value, option.choices)}")
    return value


def _bool(option: Option, value: object) -> bool:
    found = value if isinstance(value, bool) else _BOOLS.get(str(value).lower())
    if found is None:
        raise DataError(f"option {option.name!r}: {value!r}, expected true or false")
    return found


def _int(option: Option, value: object) -> int:
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        return int(str(value), 0)
    except ValueError:
        raise DataError(f"option {option.name!r}: {value!r}, expected an integer") from None
