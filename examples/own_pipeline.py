"""tvm_tiny's passes in a TVM pipeline of one's own.

Reads a quantized (QDQ) ONNX model with TVM's own frontend, lowers it step by step, runs the
integer module on Relax's virtual machine, and writes C.

    python examples/own_pipeline.py model.onnx out.tar
"""

import sys

import numpy as np
import onnx
import tvm
from tvm import relax
from tvm.relax.frontend.onnx import from_onnx

import tvm_tiny


def main(model: str, archive: str) -> None:
    """Lower `model`, run it once on the host, and write `archive`."""
    mod = from_onnx(onnx.load(model), keep_params_in_input=False)

    # Any passes of TVM or of your own may stand in such a list.
    lower = tvm.transform.Sequential(
        [
            tvm_tiny.transform.ConvertLayout(),
            tvm_tiny.transform.FoldEdges(),
            tvm_tiny.transform.LowerQDQ(),
            relax.transform.DeadCodeElimination(),
        ]
    )
    integer = lower(mod)

    # Every pass leaves a module that runs; this one computes in integers, bit for bit as the C.
    device = relax.VirtualMachine(relax.build(integer, "llvm"), tvm.cpu())
    shape = [int(d) for d in integer["main"].params[0].ty.shape]
    sample = np.zeros(shape, str(integer["main"].params[0].ty.dtype))
    print("output:", device["main"](tvm.runtime.tensor(sample)).numpy().reshape(-1)[:8])

    # The whole way from QDQ to C in one call.
    compiled = tvm_tiny.build(mod, "cortex-m4")
    compiled.save(archive)
    print(f"{archive}: {compiled.workspace_bytes} bytes of SRAM")


if __name__ == "__main__":
    main(*sys.argv[1:])
