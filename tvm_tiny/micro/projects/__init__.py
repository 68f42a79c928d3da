"""Projects around compiled models: for boards, for Zephyr, and as libraries for other systems."""

from .base import PROJECT_TYPES, Image, Option, ProjectType, find_project_type

__all__ = [
    "PROJECT_TYPES",
    "Image",
    "Option",
    "ProjectType",
    "find_project_type",
]
