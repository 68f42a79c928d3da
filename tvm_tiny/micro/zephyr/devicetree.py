"""Finds UARTs in a build's devicetree, zephyr.dts."""

from __future__ import annotations

import re
from pathlib import Path

from tvm_tiny.errors import BoardError

_NODE = re.compile(r"^\s*(?:\w+:\s*)*([\w,.+-]+(?:@[0-9a-f]+)?|/)\s*\{")


def node_paths(text: str) -> list[str]:
    """Paths of all nodes of a zephyr.dts in its order, such as "/soc/uart@40004000"."""
    paths: list[str] = []
    open_nodes: list[str] = []
    for line in text.splitlines():
        node = _NODE.match(line)
        if node:
            open_nodes.append("" if node[1] == "/" else node[1])
            paths.append("/".join(open_nodes) or "/")
        elif line.strip().startswith("};") and open_nodes:
            open_nodes.pop()
    return paths


def serial_index(dts: Path, uart: str) -> int:
    """Number of a UART among a machine's serial ports, which QEMU orders by address.

    dts   zephyr.dts of a build
    uart  path of the node, as devicetree has it: "/soc/uart@40005000"

    Raises BoardError if there is no such node.
    """
    paths = node_paths(dts.read_text(encoding="utf-8", errors="replace"))
    if uart not in paths or "@" not in uart.rpartition("/")[2]:
        raise BoardError(f"{dts}: no node {uart}, or it has no address")
    kind, _, _ = uart.rpartition("@")
    same = [path for path in paths if path.rpartition("@")[0] == kind]
    return sorted(same, key=_address).index(uart)


def _address(path: str) -> int:
    _, _, address = path.rpartition("@")
    return int(address, 16)
