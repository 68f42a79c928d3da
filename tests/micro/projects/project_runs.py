"""Builds projects for boards and the host, and runs models on them."""

from __future__ import annotations

from tools import require

from tvm_tiny import toolchain
from tvm_tiny.micro import BOARDS, Session
from tvm_tiny.micro.projects import create_project


def need(board):
    """Skips the test where a board cannot be built for and run, or the host."""
    require(BOARDS[board].target.compiler, BOARDS[board].machine.emulator, toolchain.HOST_CC)


def make_project(folder, archives, board=None):
    """A built project for a board, or for the host."""
    options = {} if board is None else {"board": board}
    kind = "host" if board is None else "baremetal"
    project = create_project(folder, archives, kind, options)
    project.build()
    return project


def run_all(project, inputs, model=None):
    """The first output for each value of the one input."""
    with Session(project.open_transport()) as session:
        return [session.run([array], model)[0] for array in inputs]
