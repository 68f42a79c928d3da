"""The public passes, for use in other TVM pipelines."""

from .passes.convert_layout import ConvertLayout
from .passes.copy_tensors import CopyTensors
from .passes.fold_constant_channels import FoldConstantChannels
from .passes.fold_edges import FoldEdges
from .passes.fuse_operators import FuseOperators
from .passes.hoist_scratch import HoistScratch
from .passes.inplace_depthwise import InplaceDepthwise
from .passes.lower_qdq import LowerQDQ
from .passes.lower_to_row_kernels import LowerToRowKernels
from .passes.materialize_outputs import MaterializeOutputs
from .passes.memory_aware_schedule import MemoryAwareSchedule
from .passes.partition_stages.partition_stages import PartitionStages
from .passes.patch_inference import PatchInference
from .passes.plan_memory import PlanMemory
from .passes.running_sums import RunningSums
from .passes.select_kernels import SelectKernels
from .passes.stream_input import StreamInput
from .passes.stream_stages import StreamStages
from .passes.subsample_shortcuts import SubsampleShortcuts

__all__ = [
    "ConvertLayout",
    "CopyTensors",
    "FoldConstantChannels",
    "FoldEdges",
    "FuseOperators",
    "HoistScratch",
    "InplaceDepthwise",
    "LowerQDQ",
    "LowerToRowKernels",
    "MaterializeOutputs",
    "MemoryAwareSchedule",
    "PartitionStages",
    "PatchInference",
    "PlanMemory",
    "RunningSums",
    "SelectKernels",
    "StreamInput",
    "StreamStages",
    "SubsampleShortcuts",
]
