"""PartitionStages: which operators run together, row by row, so that a budget is met."""

from .partition_stages import PartitionStages

__all__ = ["PartitionStages"]
