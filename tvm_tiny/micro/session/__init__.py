"""Sessions: a host sets inputs, runs models on a device and reads outputs, over a line of bytes."""

from .client import Marks, Session, StepTime
from .models import DeviceModel
from .transport import Transport

__all__ = ["DeviceModel", "Marks", "Session", "StepTime", "Transport"]
