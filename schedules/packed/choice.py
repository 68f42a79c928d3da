"""What can be chosen of a kernel without changing its results: what tuning searches."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, order=True)
class Choice:
    """How a product is computed.

    pixels, filters: of a tile, the sums that are in registers together. chunk: tiles of a row of
    which the input is gathered before any is computed; where there are several, the filters of
    each block are widened to 16 bits once for all of them. More of them take more scratch. None
    takes no scratch: the input is read where it is.
    """

    pixels: int
    filters: int
    chunk: int = 1

    @property
    def pairs(self) -> bool:
        """Whether two filters may lie in words of 16 bits."""
        return self.filters == 2 and self.chunk < 2

    def to_attrs(self) -> dict[str, int]:
        """As attributes of a packed operator."""
        return asdict(self)
