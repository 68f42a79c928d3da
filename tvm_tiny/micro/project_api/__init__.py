"""microTVM's Project API: a server for our projects, and a client for any.

It is JSON-RPC 2.0 with one object a line. Method names, parameters, error codes and the base85
coding of transport data are those of protocol version 1, in microTVM of TVM 0.14.
"""

from .client import ProjectClient
from .foreign import ForeignProject, create_from_template
from .server import Server, main
from .transport import ClientTransport

__all__ = [
    "ClientTransport",
    "ForeignProject",
    "ProjectClient",
    "Server",
    "create_from_template",
    "main",
]
