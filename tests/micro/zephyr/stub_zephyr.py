"""Kconfig, and CMake with the host's compiler, against the stub of Zephyr beside this file."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import kconfiglib
from repository import ROOT

HERE = Path(__file__).resolve().parent
STUB = HERE / "stub"
MODULE = ROOT / "runtime_c" / "zephyr"


def parse_kconfig(*confs: Path) -> kconfiglib.Kconfig:
    """The module's options with configurations loaded; every warning is kept."""
    os.environ["TVM_TINY_KCONFIG"] = str(MODULE / "Kconfig")
    config = kconfiglib.Kconfig(str(STUB / "Kconfig"), warn_to_stderr=False)
    config.warn_assign_undef = True
    config.warn_assign_override = True
    for number, path in enumerate(confs):
        config.load_config(str(path), replace=number == 0)
    return config


@dataclass(frozen=True)
class Built:
    """What CMake made of an application: all output, and its program if it was built."""

    returncode: int
    output: str
    program: Path

    @property
    def message(self) -> str:
        """The output in one line, as CMake breaks messages where it likes."""
        return " ".join(self.output.split())


def build(source: Path, folder: Path, conf: Path, **variables: object) -> Built:
    """Configures, and if that works compiles, an application."""
    folder.mkdir(parents=True, exist_ok=True)
    config = parse_kconfig(conf)
    config.write_autoconf(str(folder / "autoconf.h"))
    settings = [
        f'set(CONFIG_{symbol.name} "{symbol.str_value}")'
        for symbol in config.unique_defined_syms
        if symbol.str_value not in ("n", "")
    ]
    (folder / "config.cmake").write_text("\n".join(settings))
    defines = {
        "Zephyr_DIR": STUB,
        "STUB_CONFIG": folder / "config.cmake",
        "STUB_AUTOCONF": folder / "autoconf.h",
        "ZEPHYR_EXTRA_MODULES": MODULE,
        **variables,
    }
    command = ["cmake", "-S", str(source), "-B", str(folder / "build")]
    done = _run([*command, *(f"-D{name}={value}" for name, value in defines.items())])
    if done.returncode == 0:
        done = _run(["cmake", "--build", str(folder / "build")])
    return Built(done.returncode, done.stdout, folder / "build" / "app")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
