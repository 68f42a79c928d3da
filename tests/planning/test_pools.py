"""Memory files: what is read, and one line for everything that can be wrong with one."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tvm_tiny.errors import BudgetError, DataError
from tvm_tiny.planning.placement import Pool
from tvm_tiny.planning.pool_plan import pools_for_tensors
from tvm_tiny.pools import BoardMemory, MemoryPool, Weights, read_pools
from tvm_tiny.text import did_you_mean, parse_size

BOARD = """
[[pool]]
name = "dtcm"
size = "64K"
section = ".dtcm_bss"

[[pool]]
name = "psram"
size = 0x10_0000

[weights]
section = ".weights"
copy_to = "psram"
"""
PSRAM = '[[pool]]\nname = "psram"\nsize = "8M"\n'


@pytest.fixture
def read(tmp_path):
    """`read(text or bytes)` -> BoardMemory."""

    def write_and_read(content: str | bytes) -> BoardMemory:
        path = tmp_path / "board.toml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_pools(path)

    return write_and_read


def test_every_key_is_read(read):
    pools = (MemoryPool("dtcm", 65536, ".dtcm_bss"), MemoryPool("psram", 1 << 20))
    assert read(BOARD) == BoardMemory(pools, Weights(".weights", "psram"))


def test_sections_and_weights_may_be_left_out(read):
    assert read(PSRAM) == BoardMemory((MemoryPool("psram", 8 << 20),), Weights(None, None))


def test_copied_weights_leave_less_for_tensors(read):
    memory = read(BOARD)
    assert pools_for_tensors(memory, 0x1000) == (Pool("dtcm", 65536), Pool("psram", 0xFF000))
    message = "'psram' has 1048576 bytes, the weights copied to it need 1048579: 3 too few"
    with pytest.raises(BudgetError, match=message):
        pools_for_tensors(memory, 0x10_0003)


def test_weights_in_flash_leave_all_for_tensors(read):
    assert pools_for_tensors(read(PSRAM), 1 << 30) == (Pool("psram", 8 << 20),)


FAULTS = {
    "empty": ("", r"describes no memory: expected a \[\[pool\]\]"),
    "not TOML": ("[[pool]\n", r"not TOML: .* line 1"),
    "no text": (b"\xff\xfe", "not TOML: 'utf-8' codec"),
    "too deep": ("pool = " + "[" * 100_000, "not TOML: "),
    "too long": ("pool = " + "9" * 5000, "not TOML: "),
    "other key": (PSRAM + "[[pol]]", r"unknown key 'pol': did you mean 'pool'\? \(known: pool"),
    "one table": ('[pool]\nname = "a"', r"'pool' is not a list of tables: write \[\[pool\]\]"),
    "numbers": ("pool = [1]", "pool 1: is not a table"),
    "no name": ("[[pool]]\nsize = 1", "pool 1: has no name"),
    "number as name": ("[[pool]]\nname = 1", "pool 1: name is not a text"),
    "bad name": ('[[pool]]\nname = "d-tcm"\nsize = 1', "pool 'd-tcm': name 'd-tcm' is not a C id"),
    "line in name": ('[[pool]]\nname = "a\\nb"\nsize = 1', r"name 'a\\nb' is not a C identifier"),
    "pool's key": (PSRAM + "sise = 1", r"pool 'psram': unknown key 'sise': did you mean 'size'\?"),
    "no size": ('[[pool]]\nname = "a"', "pool 'a': has no size, such as"),
    "bad size": (PSRAM.replace("8M", "8 megs"), "pool 'psram': size '8 megs' is not a size: exp"),
    "fraction": (PSRAM.replace('"8M"', "8.5"), "size is neither a number nor a text"),
    "truth": (PSRAM.replace('"8M"', "true"), "size is neither a number nor a text"),
    "nothing": (PSRAM.replace('"8M"', "0"), "size is not between 1 byte and the 4 GiB"),
    "negative": (PSRAM.replace('"8M"', "-8"), "size is not between"),
    "huge": (PSRAM.replace('"8M"', "0x" + "f" * 9999), "size is not between"),
    "section": (PSRAM + "section = 'a b\"'", "section 'a b\"' is not a linker section"),
    "twice": (PSRAM + PSRAM, "pool 'psram': is twice in it"),
    "in capitals": (PSRAM + PSRAM.replace("psram", "PSRAM"), "pool 'PSRAM': is twice in it"),
    "weights": (PSRAM + "[[weights]]", "weights: is not a table"),
    "weights' key": (PSRAM + '[weights]\ncopyto = "psram"', "weights: unknown key 'copyto': did"),
    "copy_to": (PSRAM + '[weights]\ncopy_to = "sram"', r"pool 'sram': did you mean 'psram'\?"),
}


@pytest.mark.parametrize(("content", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_in_one_line(read, content, message):
    with pytest.raises(DataError, match=message) as fault:
        read(content)
    assert str(fault.value).startswith("memory file '")
    assert "\n" not in str(fault.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none.toml': cannot be read: No such file"):
        read_pools(tmp_path / "none.toml")


VALUES = st.sampled_from(["1", "'1K'", '"a"', "true", "[]", "{}", "[{}]", "1.5", "0", "nan"])
LINES = st.one_of(
    st.sampled_from(["[[pool]]", "[pool]", "[weights]", "[[weights]]"]),
    st.tuples(
        st.sampled_from(["name", "size", "section", "copy_to", "pool", "weights", "x"]), VALUES
    ).map(" = ".join),
    st.text(max_size=12),
)


@settings(max_examples=300, derandomize=True, deadline=None)
@example(BOARD.splitlines())
@given(st.lists(LINES, max_size=8))
def test_any_text_is_read_or_refused_in_one_line(tmp_path_factory, lines):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    try:
        message = str(read_pools(path))
    except DataError as error:
        message = str(error)
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "size"),
    {"1": 1, " 64K ": 65536, "64 kib": 65536, "2M": 2 << 20, "0x10k": 16384, "007": 7}.items(),
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "K", "0", "-1", "1.5K", "1G", "0x", "1 2", "٣", "9" * 5000])
def test_what_is_no_size(text):
    with pytest.raises(DataError, match="is not a size"):
        parse_size(text)


def test_only_close_names_are_suggested():
    assert did_you_mean("sise", ["name", "size"]) == ": did you mean 'size'? (known: name, size)"
    assert did_you_mean("xyz", ["name", "size"]) == ": (known: name, size)"
