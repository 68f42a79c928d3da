"""The cases that are measured: models, boards and forms of compilation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tvm_tiny.arguments import kernels_of
from tvm_tiny.micro.boards import BOARDS

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"


@dataclass(frozen=True)
class Model:
    """A real model, or that of `tvm-tiny demo`, which has no file.

    macs   multiply-accumulates of the file, before constants are folded
    exact  whether outputs equal the recorded ones bit for bit
    """

    title: str
    file: str
    macs: int
    exact: bool = True

    @property
    def path(self) -> Path:
        """Path of the model's file; DIGITS has none."""
        return SHARED / "models" / self.file

    @property
    def recorded(self) -> Path:
        """Path of the recorded inputs and outputs."""
        return SHARED / "golden" / f"{Path(self.file).stem}.npz"


MODELS: Mapping[str, Model] = MappingProxyType(
    {
        "ad01_int8": Model("ad01_int8 (MLPerf Tiny AD)", "ad01_int8.tflite", 264_192),
        "kws_ref_model": Model("kws_ref_model (KWS)", "kws_ref_model.tflite", 2_656_768),
        "pretrainedResnet_quant": Model(
            "pretrainedResnet_quant (IC)", "pretrainedResnet_quant.tflite", 12_501_632
        ),
        "vww_96_int8": Model("vww_96_int8 (VWW)", "vww_96_int8.tflite", 7_489_664),
        "mcunet_vww1": Model("mcunet_vww1", "mcunet_vww1.tflite", 11_578_816),
        "mcunet-5fps": Model("mcunet-5fps (ONNX)", "mcunet-5fps-qdq.onnx", 22_613_504, False),
        "mbv2-w0.35": Model("mbv2-w0.35 (ONNX)", "mbv2-w0.35-qdq.onnx", 16_758_912, False),
        "proxyless-w0.3": Model(
            "proxyless-w0.3 (ONNX)", "proxyless-w0.3-qdq.onnx", 18_715_904, False
        ),
    }
)
#: The network of `tvm-tiny demo`, which the smallest board holds. Its arithmetic is ONNX's.
DIGITS = "digits"
DIGITS_MODEL = Model("digits (demo)", "", 23_680)

BOARD_TITLES = {
    "microbit": "Cortex-M0",
    "mps2_an385": "Cortex-M3",
    "mps2_an386": "Cortex-M4",
    "mps2_an500": "Cortex-M7",
    "mps3_an547": "Cortex-M55",
    "riscv32": "RV32IMAC",
}
REAL_BOARDS = tuple(name for name in BOARD_TITLES if name != "microbit")

LAYERS, LEAST, PORTABLE = "layers", "least", "portable"
#: Options of `tvm_tiny.build`.
FORMS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {LAYERS: {}, LEAST: {"minimize": True}, PORTABLE: {"kernels": "portable"}}
)
_LEAST_BOARDS = ("mps2_an386", "mps3_an547")


@dataclass(frozen=True, order=True)
class Case:
    """One figure: a model on a board, in one form."""

    model: str
    board: str
    form: str

    def __str__(self) -> str:
        return f"{self.model} {self.board} {self.form}"


QUICK = frozenset(
    {
        Case(model, board, LAYERS)
        for model in ("ad01_int8", "kws_ref_model")
        for board in _LEAST_BOARDS
    }
    | {Case("vww_96_int8", "mps2_an386", LAYERS)}
)


def all_cases(*, portable: bool = True) -> list[Case]:
    """All cases, sorted. portable: include cases with the portable kernels."""
    cases = [Case(model, board, LAYERS) for model in MODELS for board in REAL_BOARDS]
    cases += [Case(model, board, LEAST) for model in MODELS for board in _LEAST_BOARDS]
    if portable:
        exact = [name for name, model in MODELS.items() if model.exact]
        cases += [Case(model, "mps2_an385", PORTABLE) for model in exact]
        small = ("kws_ref_model", DIGITS)
        cases += [Case(model, "microbit", form) for model in small for form in (LAYERS, PORTABLE)]
    return sorted(cases)


@dataclass(frozen=True)
class Job:
    """A model that is compiled once and run on several boards, which share micro-kernels."""

    model: str
    form: str
    kernels: str
    boards: tuple[str, ...]

    @property
    def cases(self) -> list[Case]:
        """The cases of a job, one for each board."""
        return [Case(self.model, board, self.form) for board in self.boards]

    def __str__(self) -> str:
        return f"{self.model} {self.form} ({self.kernels}) on {', '.join(self.boards)}"


def jobs_of(cases: Iterable[Case]) -> list[Job]:
    """Groups cases into jobs, sorted."""
    boards: dict[tuple[str, str, str], list[str]] = {}
    for case in sorted(cases):
        kernels = PORTABLE if case.form == PORTABLE else kernels_of(BOARDS[case.board].target)
        boards.setdefault((case.model, case.form, kernels), []).append(case.board)
    return [Job(*key, tuple(names)) for key, names in sorted(boards.items())]


def select(
    cases: Iterable[Case], models: Sequence[str] | None, boards: Sequence[str] | None
) -> list[Case]:
    """The cases of some models and boards. models: beginnings of names; None selects all."""
    return [
        case
        for case in cases
        if (models is None or case.model.startswith(tuple(models)))
        and (boards is None or case.board in boards)
    ]
