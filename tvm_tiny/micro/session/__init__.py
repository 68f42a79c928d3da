"""Sessions: a host sets inputs, runs models on a device and reads outputs, over a line of bytes."""

from .client import Marks, Session, StepTime
from .models import DeviceModel
from .transport import (
    Transport,
    connect_tcp,
    open_pty,
    open_serial,
    open_transport,
    start_process,
    start_qemu,
)

__all__ = [
    "DeviceModel",
    "Marks",
    "Session",
    "StepTime",
    "Transport",
    "connect_tcp",
    "open_pty",
    "open_serial",
    "open_transport",
    "start_process",
    "start_qemu",
]
