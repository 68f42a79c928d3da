"""TIR as C: the text of TVM's own printer, definitions only."""

from __future__ import annotations

import re
from collections.abc import Mapping

import tvm
from tvm import tirx
from tvm.ir import GlobalVar, IRModule
from tvm.target import Target
from tvm.tirx.transform import BindTarget

# A definition as the printer writes it; declarations end in ");" and do not match.
DEFINITION = re.compile(r"^TVM_DLL void (\w+)\(([^()]*)\) \{$", re.MULTILINE)
_BANNER = re.compile(r"\A.*?(?=^TVM_DLL void \w+\([^()]*\) \{$)", re.MULTILINE | re.DOTALL)
_LINKAGE = re.compile(r'^#ifdef __cplusplus\nextern "C"\n#endif\n', re.MULTILINE)
_DECLARATION = re.compile(r"^TVM_DLL void \w+\([^()]*\);\n", re.MULTILINE)
# A hint for other compilers than these; unknown pragmas are warnings.
_PRAGMA = re.compile(r"^ *#pragma unroll.*\n", re.MULTILINE)


def print_c(functions: Mapping[GlobalVar, tirx.PrimFunc]) -> str:
    """Their definitions, each beginning as `DEFINITION` matches.

    functions: as `to_pointer_abi` gives them, under the names that they get.
    """
    target = Target("c")
    module = IRModule(
        {var: f.with_attr("global_symbol", var.name_hint) for var, f in functions.items()}
    )
    built = tvm.get_global_func("target.build.c")(BindTarget(target)(module), target)
    text = _PRAGMA.sub("", _LINKAGE.sub("", str(built.inspect_source())))
    return _BANNER.sub("", _DECLARATION.sub("", text), count=1)
