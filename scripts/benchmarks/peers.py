"""Figures of other engines, measured in August 2026 in the same way (docs/benchmarks.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Peer:
    """Figures of TFLite Micro with CMSIS-NN.

    instructions  counts by board
    arena         bytes
    flash         bytes of a Cortex-M4's firmware, with the model's file
    """

    instructions: Mapping[str, int]
    arena: int
    flash: int


@dataclass(frozen=True)
class TinyEngine:
    """Figures of a mode of TinyEngine.

    instructions  counts by board
    sram, flash   bytes
    outputs       how far its outputs are right, in words
    least         whether it runs patch by patch, to be compared with our least memory
    """

    model: str
    mode: str
    instructions: Mapping[str, int]
    sram: int
    flash: int
    outputs: str
    least: bool = False


def _tflm(m4: int, m7: int, m55: int, arena: int, code: int, model: int) -> Peer:
    return Peer(_boards(m4, m7, m55), arena, code + model)


def _boards(*counts: int) -> Mapping[str, int]:
    names = ("mps2_an386", "mps2_an500", "mps3_an547")
    return MappingProxyType(dict(zip(names, counts, strict=False)))


TFLM: Mapping[str, Peer] = MappingProxyType(
    {
        "ad01_int8": _tflm(582_000, 583_000, 150_000, 2_580, 33_392, 276_976),
        "kws_ref_model": _tflm(7_847_000, 7_763_000, 1_787_000, 22_820, 88_124, 53_936),
        "pretrainedResnet_quant": _tflm(29_870_000, 29_940_000, 4_811_000, 54_996, 86_840, 98_496),
        "vww_96_int8": _tflm(24_720_000, 24_480_000, 6_434_000, 100_708, 88_124, 333_288),
        "mcunet_vww1": _tflm(49_380_000, 48_400_000, 11_830_000, 219_808, 109_048, 613_840),
    }
)

TINY_ENGINE = (
    TinyEngine("ad01_int8", "layers", _boards(802_000, 802_000), 3_328, 289_156, "up to 2 off"),
    TinyEngine(
        "pretrainedResnet_quant",
        "integer",
        _boards(25_620_000, 25_610_000),
        125_184,
        94_756,
        "wrong",
    ),
    TinyEngine(
        "vww_96_int8",
        "integer",
        _boards(24_450_000, 24_120_000),
        60_728,
        261_804,
        "wrong: padding",
    ),
    TinyEngine(
        "mcunet_vww1",
        "float (default)",
        _boards(34_750_000, 34_530_000),
        93_992,
        512_604,
        "up to 20 off",
    ),
    TinyEngine(
        "mcunet_vww1",
        "integer",
        _boards(43_360_000, 42_690_000),
        93_992,
        538_732,
        "up to 1 off, with a fix",
    ),
    TinyEngine(
        "mcunet_vww1",
        "2x2 patches, integer",
        _boards(45_450_000, 44_800_000),
        # Its own buffer, and the image, which it reads from outside the buffer.
        62_352 + 19_200,
        540_572,
        "not stated",
        least=True,
    ),
)
