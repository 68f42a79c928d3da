"""Sessions, in which a host runs models on a device over a line of bytes."""

from .client import Marks, Session, StepTime
from .firmware import SessionFirmware, build_session_firmware
from .glue import session_sources
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
    "SessionFirmware",
    "StepTime",
    "Transport",
    "build_session_firmware",
    "connect_tcp",
    "open_pty",
    "open_serial",
    "open_transport",
    "session_sources",
    "start_process",
    "start_qemu",
]
