"""Profiles from exact counts: blocks of instructions, by layer and by function."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tvm_tiny.errors import BoardError

from ..firmware import Firmware, RunResult, build_firmware
from .code import Code, read_code
from .cycles import ESTIMATED_TARGETS, ESTIMATES
from .data import Layer, Profile
from .layers import Driver, Step, read_driver
from .plugin import CALLER, DRIVER, INTERRUPT, Counts, plan_text, run_counted
from .sums import Sum


def count_layers(
    mlf_dir: Path,
    board: str,
    steps: Sequence[Step],
    plugin: Path,
    samples: Sequence[Sequence[np.ndarray]],
    work_dir: Path,
    timeout_s: float,
) -> Profile:
    """Profiles the last of several samples. plugin: path from `build_plugin`.

    Raises PluginMissingError if QEMU does not load the plugin, BoardError if the driver's source
    does not match metadata.json, and the errors of `build_firmware` and `Firmware.run`.
    """
    firmware = build_firmware(mlf_dir, board, work_dir, extra_cflags=("-g",))
    code = read_code(firmware.path, firmware.board.target.compiler)
    starts = {start for start, _ in code.symbols}
    driver = read_driver(mlf_dir, firmware.model, firmware.path, starts)
    plan = plan_text(code, driver, [step.kernel for step in steps], len(samples))
    result, counts = run_counted(firmware, plugin, plan, samples, timeout_s)
    return _profile(firmware, code, Attribution(code, driver, steps, counts), result)


class Attribution:
    """Assigns contexts of the counts to layers. of: index of the layer by context."""

    def __init__(self, code: Code, driver: Driver, steps: Sequence[Step], counts: Counts) -> None:
        self.steps = steps
        self._entries = {context: entry for context, (_, entry) in counts.calls.items()}
        self.of = {context: driver.layer(call) for context, (call, _) in counts.calls.items()}
        self.counts = counts.blocks
        kernels = {step.index: code.functions.get(step.kernel) for step in steps}
        for context, (call, entry) in counts.calls.items():
            if kernels.get(self.of[context]) != entry:
                raise BoardError(
                    f"{driver.name}: the call at 0x{call:x} is not of the kernel that "
                    "metadata.json says; compile the model again"
                )

    def calls(self, index: int) -> int:
        """How often a layer's kernel ran."""
        return sum(
            count.runs
            for count in self.counts
            if self.of.get(count.context) == index and count.first == self._entries[count.context]
        )

    def notes(self) -> tuple[str, ...]:
        """A note for each layer without a call whose kernel other layers call."""
        seen = set(self.of.values())
        kernels = {step.kernel for step in self.steps if step.index in seen}
        return tuple(
            f"layer {step.index}: the compiler has merged its calls with another layer's, where "
            "its instructions are counted"
            for step in self.steps
            if step.index not in seen and step.kernel in kernels
        )


def _profile(firmware: Firmware, code: Code, layers: Attribution, result: RunResult) -> Profile:
    cores = tuple(ESTIMATES) if firmware.board.target.name in ESTIMATED_TARGETS else ()
    sums: dict[int, Sum] = defaultdict(lambda: Sum(cores))
    functions: dict[str, Sum] = defaultdict(lambda: Sum(cores))
    for count in layers.counts:
        sums[layers.of.get(count.context, -count.context)].add(code, count)
        if count.context not in (CALLER, INTERRUPT):
            functions[code.function_of(count.first)].add(code, count)
    assert result.instructions is not None
    return Profile(
        board=firmware.board.name,
        counter="plugin",
        layers=tuple(
            Layer(step, layers.calls(step.index), sums[step.index].work()) for step in layers.steps
        ),
        driver=sums[-DRIVER].work(),
        caller=sums[-CALLER].work(),
        interrupts=sums[-INTERRUPT].work().instructions,
        functions={name: functions[name].work() for name in sorted(functions)},
        board_count=result.instructions[-1],
        stack_bytes=result.stack_bytes,
        notes=layers.notes(),
    )
