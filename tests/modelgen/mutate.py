"""Damaged copies of a file, for the fuzz tests of everything that reads files.

Each comes with a label that says what was done, so that a failure can be reported in a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .draw import Draw

# What a length, count, offset or dimension is overwritten with.
HOSTILE_INTS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
HOSTILE_LONGS = (0, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
FIXED = (
    ("empty", b""),
    ("one byte", b"\0"),
    ("text", b"this is not a model\n"),
    ("json", b'{"model": [1, 2, 3]}'),
    ("zeros", bytes(4096)),
    ("ones", b"\xff" * 4096),
    ("flatbuffer identifier only", b"\x1c\0\0\0TFL3"),
    ("zip magic", b"PK\x03\x04" + bytes(26)),
)

Damage = Callable[[Draw, bytearray], str]


def mutations(data: bytes, seed: int, n: int) -> Iterator[tuple[str, bytes]]:
    """`n` pairs (label, file): first the fixed ones that owe nothing to `data`, then damage.

    Two in ten files are damaged more than once. Never yields `data` itself unharmed.
    """
    yield from FIXED[:n]
    draw = Draw(seed)
    made = len(FIXED)
    while made < n and data:
        content = bytearray(data)
        labels = [
            draw.choice(DAMAGES)(draw, content)
            for _ in range(draw.integer(2, 5) if draw.chance(0.2) else 1)
        ]
        if bytes(content) != data:
            made += 1
            yield "; ".join(labels), bytes(content)


def _position(draw: Draw, content: bytearray, width: int = 1) -> int:
    """A place for `width` bytes; half of the time in the first or last 256, where headers lie."""
    last = max(len(content) - width, 0)
    kind = draw.integer(0, 3)
    if kind == 0:
        return draw.integer(0, min(last, 255))
    if kind == 1:
        return draw.integer(max(last - 255, 0), last)
    return draw.integer(0, last)


def _truncate(draw: Draw, content: bytearray) -> str:
    at = _position(draw, content)
    del content[at:]
    return f"truncated to {at} bytes"


def _behead(draw: Draw, content: bytearray) -> str:
    count = draw.integer(1, min(64, len(content) or 1))
    del content[:count]
    return f"first {count} bytes missing"


def _flip(draw: Draw, content: bytearray) -> str:
    places = []
    for _ in range(draw.integer(1, 8) if content else 0):
        at, bit = _position(draw, content), draw.integer(0, 7)
        content[at] ^= 1 << bit
        places.append(f"{at}.{bit}")
    return f"bits flipped at {', '.join(places)}"


def _swap(draw: Draw, content: bytearray) -> str:
    if not content:
        return "nothing to swap"
    a, b = _position(draw, content), _position(draw, content)
    content[a], content[b] = content[b], content[a]
    return f"bytes {a} and {b} swapped"


def _overwrite(draw: Draw, content: bytearray) -> str:
    width = draw.choice((1, 4, 4, 4, 8))
    value = draw.choice(HOSTILE_LONGS if width == 8 else HOSTILE_INTS) % (1 << (8 * width))
    at = _position(draw, content, width)
    at -= at % width  # fields of flatbuffers are aligned
    content[at : at + width] = value.to_bytes(width, "little")
    return f"{width}-byte integer {value} at {at}"


def _nudge(draw: Draw, content: bytearray) -> str:
    """Adds a little to a 32-bit integer: offsets and counts that are only just wrong."""
    at = _position(draw, content, 4)
    at -= at % 4
    delta = draw.choice((-4, -1, 1, 4, 16))
    value = (int.from_bytes(content[at : at + 4], "little") + delta) % 2**32
    content[at : at + 4] = value.to_bytes(4, "little")
    return f"{delta:+d} to the 32-bit integer at {at}"


def _splice(draw: Draw, content: bytearray) -> str:
    """Copies a piece of the file over another place, or in between."""
    start = _position(draw, content)
    piece = content[start : start + draw.integer(1, 64)]
    at = _position(draw, content)
    if draw.chance(0.5):
        content[at : at + len(piece)] = piece
        return f"{len(piece)} bytes of {start} written over {at}"
    content[at:at] = piece
    return f"{len(piece)} bytes of {start} inserted at {at}"


def _cut(draw: Draw, content: bytearray) -> str:
    at, count = _position(draw, content), draw.integer(1, 64)
    del content[at : at + count]
    return f"{count} bytes removed at {at}"


def _append(draw: Draw, content: bytearray) -> str:
    count = draw.integer(1, 64)
    content += draw.integers((count,), 0, 255, "uint8").tobytes()
    return f"{count} random bytes appended"


def _noise(draw: Draw, content: bytearray) -> str:
    at, count = _position(draw, content), draw.integer(1, 64)
    content[at : at + count] = draw.integers((count,), 0, 255, "uint8").tobytes()
    return f"{count} random bytes at {at}"


DAMAGES: tuple[Damage, ...] = (
    _truncate,
    _behead,
    _flip,
    _flip,
    _swap,
    _overwrite,
    _overwrite,
    _nudge,
    _splice,
    _cut,
    _append,
    _noise,
)
