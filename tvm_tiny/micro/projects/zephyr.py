"""A Zephyr application for any board of a Zephyr tree."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tvm_tiny.errors import DataError

from .. import zephyr
from ..compiler import runtime_folder
from ..session.glue import session_sources
from ..session.mlperf import mlperf_sources
from ..session.transport import open_serial, start_qemu
from ..zephyr.build import flash_build, open_build
from . import make
from .base import BUILD, GENERATE, OPEN, Image, Option, ProjectType, Values
from .session_app import PROFILE

if TYPE_CHECKING:
    from tvm_tiny.archive.reader import Archive

    from ..session.transport import Transport

_OPTIONS = (
    Option(
        "board", "Board of the Zephyr tree, by its old or its new name.", required_in=(GENERATE,)
    ),
    Option(
        "zephyr_base",
        "The Zephyr tree; default: the environment's ZEPHYR_BASE.",
        optional_in=(GENERATE, BUILD),
    ),
    Option(
        "app",
        "A session for the host; one inference of the model 'default' that prints its output on "
        "the console; or MLPerf Tiny's runner with the first model.",
        default="session",
        choices=("session", "inference", "mlperf"),
        optional_in=(GENERATE,),
    ),
    PROFILE,
    Option(
        "session_uart",
        "Devicetree label of the session's UART; default: the first that is not the console's.",
        optional_in=(GENERATE,),
    ),
    Option(
        "console",
        "Whether the board has a console beside the session; false: no UART is kept for it.",
        type="bool",
        default=True,
        optional_in=(GENERATE,),
    ),
    Option(
        "config_main_stack_size",
        "Bytes of the stack that models run on.",
        type="int",
        default=4096,
        optional_in=(GENERATE,),
    ),
    Option(
        "port",
        "Serial port of a real board (/dev/ttyACM0); without it QEMU runs.",
        optional_in=(OPEN,),
    ),
    Option("baud", "Speed of that port.", type="int", default=115200, optional_in=(OPEN,)),
)


class ZephyrProject:
    """An application with its own copy of the tvm_tiny module; builds with west, too."""

    name = "zephyr"
    title = "an application of Zephyr"

    def options(self) -> Sequence[Option]:
        """See `ProjectType.options`."""
        return _OPTIONS

    def generate(self, folder: Path, archives: Sequence[Archive], values: Values) -> None:
        """See `ProjectType.generate`. Reads the Zephyr tree, which knows the board."""
        _board(values)
        app = str(values["app"])
        if app == "inference" and [archive.info.name for archive in archives] != ["default"]:
            raise DataError("app=inference takes one model with the name 'default'")
        _copy_app(folder, app)
        _configure(folder, values)
        if app == "inference":
            return
        texts = session_sources(archives, profile=bool(values[PROFILE.name]))
        if app == "mlperf":
            texts |= mlperf_sources(archives[0])
        for name, text in texts.items():
            (folder / "src" / name).write_text(text, encoding="utf-8")

    def build(self, folder: Path, values: Values) -> Image:
        """Builds with CMake and ninja, which skip unchanged files."""
        tree, board = _board(values)
        folder = folder.absolute()
        module = folder / make.RUNTIME / "zephyr"
        build = zephyr.build_application(tree, board, folder, folder / "build", module)
        return Image(build.elf, build.size.flash, build.size.ram)

    def flash(self, folder: Path, values: Values) -> None:
        """Programs the board as `west flash` does; does nothing for an emulated board."""
        build = open_build(folder.absolute() / "build")
        if zephyr.is_emulated(build):
            return
        flash_build(build)

    def open_transport(self, folder: Path, values: Values) -> Transport:
        """Opens the board's serial port, or starts QEMU."""
        if values.get("port"):
            return open_serial(str(values["port"]), int(values["baud"]))
        build = open_build(folder.absolute() / "build")
        return start_qemu(zephyr.emulator_command(build))


#: The parts of runtime_c/zephyr that a project copies.
_MODULE = ("CMakeLists.txt", "Kconfig", "cmake", "include", "src", "zephyr")


def _copy_app(folder: Path, app: str) -> None:
    """Copies the Zephyr module and a sample, whose main() MLPerf's may replace."""
    parts = ["session", *(["mlperf"] if app == "mlperf" else [])]
    make.copy_runtime(folder, "include/tvm_tiny", *parts, *(f"zephyr/{part}" for part in _MODULE))
    sample = "inference" if app == "inference" else "session"
    with runtime_folder() as runtime:
        module = runtime / "zephyr"
        shutil.copytree(module / "samples" / sample, folder, dirs_exist_ok=True)
        shutil.copyfile(module / "project" / "CMakeLists.txt", folder / "CMakeLists.txt")
        if app == "mlperf":
            shutil.copyfile(module / "project" / "mlperf_main.c", folder / "src" / "main.c")
    (folder / "sample.yaml").unlink()


def _board(values: Values) -> tuple[zephyr.Tree, zephyr.ZephyrBoard]:
    """The Zephyr tree, and the board under the name that it has there."""
    base = values.get("zephyr_base")
    tree = zephyr.find_tree(None if base is None else str(base))
    return tree, zephyr.find_zephyr_board(tree.base, str(values["board"]))


def _configure(folder: Path, values: Values) -> None:
    """Appends settings from options to prj.conf, and writes app.overlay."""
    lines = [f"CONFIG_MAIN_STACK_SIZE={values['config_main_stack_size']}"]
    if not values[PROFILE.name]:
        lines.append("CONFIG_TVM_TINY_PROFILE=n")
    if values["app"] == "mlperf":
        lines.append("CONFIG_TVM_TINY_MLPERF=y")
    if not values["console"]:
        lines += ["CONFIG_CONSOLE=n", "CONFIG_UART_CONSOLE=n"]
    with (folder / "prj.conf").open("a", encoding="ascii") as file:
        file.write("\n".join(["# Options of the project.", *lines, ""]))
    label = values.get("session_uart")
    if label is not None:
        if not str(label).isidentifier():
            raise DataError(f"option 'session_uart': {label!r}, expected a label of the devicetree")
        overlay = f"/ {{ chosen {{ tvm-tiny,session-uart = &{label}; }}; }};\n"
        overlay += f'&{label} {{ status = "okay"; }};\n'
        (folder / "app.overlay").write_text(overlay, encoding="ascii")


PROJECT_TYPE: ProjectType = ZephyrProject()
