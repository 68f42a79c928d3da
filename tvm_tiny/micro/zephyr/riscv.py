"""A workaround for a flaw of Debian's and Ubuntu's gcc for RISC-V.

For Zephyr's `-march=rv32imac_zicsr_zifencei` that gcc chooses the libgcc of 64 bits. libgcc does
not depend on the extensions after the first `_`, so the one for the name without them is right.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tvm_tiny import toolchain

_FLAGS = re.compile(r"-mabi=(\w+)\s+-march=([a-z0-9]+)((?:_[a-z0-9]+)*)")


def libgcc_definitions(folder: Path) -> dict[str, str]:
    """The CMake variable that puts the right libgcc first; empty if gcc chooses it itself.

    folder  a folder that CMake has configured
    """
    flags = _FLAGS.search((folder / "build.ninja").read_text(encoding="utf-8"))
    if flags is None or not flags[3]:
        return {}
    named = _libgcc(flags[1], flags[2] + flags[3])
    right = _libgcc(flags[1], flags[2])
    return {} if named == right else {"LIB_INCLUDE_DIR": f"-L{right.parent}"}


def _libgcc(abi: str, march: str) -> Path:
    compiler = toolchain.find_compiler(toolchain.RISCV_GCC)
    command = [str(compiler), f"-mabi={abi}", f"-march={march}", "-print-libgcc-file-name"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return Path(done.stdout.strip())
