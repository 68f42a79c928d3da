"""Projects around compiled models: for boards, for Zephyr, and as libraries for other systems."""

from .base import PROJECT_TYPES, Image, Option, ProjectType, find_project_type
from .project import Project, create_project, open_project

__all__ = [
    "PROJECT_TYPES",
    "Image",
    "Option",
    "Project",
    "ProjectType",
    "create_project",
    "find_project_type",
    "open_project",
]
