"""PartitionStages: chooses the operators that run as stages, to fit a budget."""

from .partition_stages import PartitionStages

__all__ = ["PartitionStages"]
