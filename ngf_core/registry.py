"""What registries map names to. Reading one imports no torch; the code is imported on demand."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Entry:
    """`title` is the name on screen, `where` the code's location as "module:name"."""

    title: str
    where: str

    def load(self) -> Any:
        """The function or class at `where`, imported now."""
        module, name = self.where.split(":")
        return getattr(import_module(module), name)
