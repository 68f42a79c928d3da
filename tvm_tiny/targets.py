"""The processors that C is compiled for: compilers, flags, instruction sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from . import toolchain
from .errors import DataError
from .text import did_you_mean

#: Flags for every object, of models and of board support.
COMMON_FLAGS = (
    "-std=c99",
    "-O2",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-common",
)


@dataclass(frozen=True)
class Target:
    """A processor as the compiler sees it.

    platform  folder of runtime_c/boards with the start-up code
    compiler  key of toolchain.PACKAGES
    flags     flags that choose the instruction set and the calling convention
    features  "dsp" (Armv7E-M SIMD within a register), "mve" (Helium), "fpu" (single precision)
    """

    name: str
    platform: str
    compiler: str
    flags: tuple[str, ...] = ()
    features: frozenset[str] = frozenset()

    @property
    def cflags(self) -> tuple[str, ...]:
        """All flags for compiling a source, except warnings and include folders."""
        return (*self.flags, *COMMON_FLAGS)


def _cortex_m(cpu: str, *features: str) -> Target:
    hard = "fpu" in features
    flags = ("-mthumb", f"-mcpu={cpu}", f"-mfloat-abi={'hard' if hard else 'soft'}")
    return Target(cpu, "cortex_m", toolchain.ARM_GCC, flags, frozenset(features))


_TARGETS = (
    _cortex_m("cortex-m0"),
    _cortex_m("cortex-m3"),
    _cortex_m("cortex-m4", "dsp", "fpu"),
    _cortex_m("cortex-m7", "dsp", "fpu"),
    _cortex_m("cortex-m33", "dsp", "fpu"),
    _cortex_m("cortex-m55", "dsp", "fpu", "mve"),
    # Not ..._zicsr_zifencei: Debian's gcc then links the 64-bit libgcc.
    Target("rv32", "riscv", toolchain.RISCV_GCC, ("-march=rv32imac", "-mabi=ilp32")),
    Target("host", "host", toolchain.HOST_CC),
)

TARGETS: Mapping[str, Target] = MappingProxyType({target.name: target for target in _TARGETS})


def find_target(name: str) -> Target:
    """The target of a name; DataError with a suggestion for an unknown name."""
    target = TARGETS.get(name)
    if target is None:
        raise DataError(f"unknown target {name!r}{did_you_mean(name, TARGETS)}")
    return target
