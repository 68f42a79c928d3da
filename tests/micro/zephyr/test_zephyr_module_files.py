"""Kconfig, module.yml, sample.yaml and prj.conf, checked without Zephyr."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import kconfiglib
import pytest
import yaml
from pykwalify.core import Core
from stub_zephyr import MODULE, parse_kconfig

ROOT = MODULE.parents[1]
SAMPLES = sorted(path.parent for path in MODULE.glob("samples/*/sample.yaml"))

# Of what Zephyr documents for zephyr/module.yml, what we use; anything else is refused.
MODULE_SCHEMA = {
    "type": "map",
    "mapping": {
        "name": {"type": "str", "required": True},
        "build": {
            "type": "map",
            "required": True,
            "mapping": {
                "cmake": {"type": "str", "required": True},
                "kconfig": {"type": "str", "required": True},
            },
        },
        "samples": {"type": "seq", "sequence": [{"type": "str"}]},
    },
}

_TEST = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "tags": {"type": "string"},
        "harness": {"enum": ["console"]},
        "harness_config": {
            "type": "object",
            "additionalProperties": False,
            "required": ["type", "regex"],
            "properties": {
                "type": {"enum": ["one_line", "multi_line"]},
                "ordered": {"type": "boolean"},
                "regex": {"type": "array", "items": {"type": "string", "format": "regex"}},
            },
        },
        "build_only": {"type": "boolean"},
        "depends_on": {"type": "string"},
        "integration_platforms": {"type": "array", "items": {"type": "string"}},
        "extra_configs": {"type": "array", "items": {"type": "string", "pattern": "^CONFIG_"}},
        "min_ram": {"type": "integer"},
        "min_flash": {"type": "integer"},
    },
}
SAMPLE_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["sample", "tests"],
    "properties": {
        "sample": {
            "type": "object",
            "required": ["name", "description"],
            "additionalProperties": {"type": "string"},
        },
        "common": _TEST,
        "tests": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": r"^sample\.tvm_tiny\.[a-z.]+$"},
            "additionalProperties": _TEST,
        },
    },
}


@pytest.mark.parametrize("folder", [MODULE, ROOT], ids=["module", "repository"])
def test_a_module_names_files_that_are_there(folder: Path):
    path = folder / "zephyr" / "module.yml"
    data = yaml.safe_load(path.read_text())
    Core(source_data=data, schema_data=MODULE_SCHEMA).validate()
    assert data["name"] == "tvm_tiny"
    assert (folder / data["build"]["cmake"] / "CMakeLists.txt").resolve().parent == MODULE
    assert (folder / data["build"]["kconfig"]).resolve() == MODULE / "Kconfig"
    assert all((folder / sample).is_dir() for sample in data["samples"])


def test_there_are_samples():
    assert [path.name for path in SAMPLES] == ["inference", "session"]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_a_sample_is_one_of_twisters(sample: Path):
    jsonschema.validate(yaml.safe_load((sample / "sample.yaml").read_text()), SAMPLE_SCHEMA)
    assert (sample / "CMakeLists.txt").is_file()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_every_setting_of_a_sample_takes_effect(sample: Path):
    boards = sorted((sample / "boards").glob("*.conf"))
    for confs in [[sample / "prj.conf"], *([sample / "prj.conf", board] for board in boards)]:
        config = parse_kconfig(*confs)
        assert [w for w in config.warnings if "set more than once" not in w] == []
        for symbol in config.unique_defined_syms:
            if symbol.user_value is not None:
                wanted = symbol.user_value
                if symbol.orig_type == kconfiglib.BOOL:
                    wanted = kconfiglib.TRI_TO_STR[wanted]
                assert symbol.str_value == wanted, symbol.name


def test_nothing_is_set_unless_asked_for():
    config = parse_kconfig()
    ours = [s for s in config.unique_defined_syms if s.name.startswith("TVM_TINY")]
    assert len(ours) > 5
    assert {s.name: s.str_value for s in ours if s.str_value not in ("n", "")} == {}


@pytest.mark.parametrize(
    ("lines", "name", "value"),
    [
        ("CONFIG_TVM_TINY=y", "TVM_TINY_ARENA_SECTION", ".noinit.tvm_tiny"),
        ("CONFIG_TVM_TINY=y", "TVM_TINY_OPTIMIZE_SPEED", "y"),
        ("CONFIG_TVM_TINY=y\nCONFIG_ARMV8_1_M_MVEI=y", "FPU", "y"),
        ("CONFIG_TVM_TINY=y", "FPU", "n"),
        ("CONFIG_TVM_TINY=y\nCONFIG_TVM_TINY_PROFILE=y", "TVM_TINY_PROFILE_STEPS", "64"),
        ("CONFIG_TVM_TINY=y\nCONFIG_TVM_TINY_SESSION=y", "TVM_TINY_SESSION", "n"),  # no serial
        (
            "CONFIG_TVM_TINY=y\nCONFIG_SERIAL=y\nCONFIG_TVM_TINY_SESSION=y",
            "UART_INTERRUPT_DRIVEN",
            "y",
        ),
        (
            "CONFIG_TVM_TINY=y\nCONFIG_SERIAL=y\nCONFIG_TVM_TINY_SESSION=y\n"
            "CONFIG_UART_INTERRUPT_DRIVEN=n",
            "TVM_TINY_SESSION_BUFFER",
            "",
        ),
    ],
)
def test_options_depend_on_each_other(tmp_path, lines, name, value):
    (tmp_path / "prj.conf").write_text(f"{lines}\n")
    assert parse_kconfig(tmp_path / "prj.conf").syms[name].str_value == value


def test_every_option_that_is_used_is_defined():
    config = parse_kconfig()
    sources = [p for p in MODULE.rglob("*") if p.suffix in (".c", ".h", ".cmake", ".txt")]
    used = {
        name for path in sources for name in re.findall(r"CONFIG_(TVM_TINY\w*)", path.read_text())
    }
    assert used <= set(config.syms)
    assert "TVM_TINY_SESSION" in used
