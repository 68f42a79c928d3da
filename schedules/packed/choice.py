"""The choices that do not change a kernel's results; tuning searches among them."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, order=True)
class Choice:
    """The tiling of a convolution or fully connected layer.

    pixels, filters: the size of a tile, whose sums are in registers at the same time. chunk: the
    number of tiles of a row whose input is gathered before any of them is computed. With more than
    one, the filters of each block are widened to 16 bits once for all of them, at the price of more
    scratch. With 0 the input is read in place, without scratch.
    """

    pixels: int
    filters: int
    chunk: int = 1

    @property
    def pairs(self) -> bool:
        """Whether two filters may be packed in words of 16 bits."""
        return self.filters == 2 and self.chunk < 2

    def to_attrs(self) -> dict[str, int]:
        """The attributes of a packed operator that hold the choice."""
        return asdict(self)
