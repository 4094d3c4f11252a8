"""A model's file from outside, through both doors: the reader in this process, and the real one."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ngf_core.errors import NGFError
from ngf_core.imports.networks.network import Hints
from ngf_core.imports.reader import read_here
from ngf_core.imports.reading import read_model
from ngf_core.imports.recognise import recognise
from tests.campaigns.hostile.case import TAKEN, Case, Give
from tests.campaigns.hostile.marks import watched

Write = Callable[[Path], Any]
MEMORY_GB, SECONDS = 0.5, 20.0


def here(write: Write) -> Give:
    """Read without confinement, so that code that is run shows."""
    def give(folder: Path) -> str:
        write(folder / "model.pt")
        try:
            with watched():
                read_here(folder / "model.pt", folder)
        except NGFError as error:
            return str(error)
        return TAKEN
    return give


def apart(write: Write, known: bool = False) -> Give:
    """Read as the server does, then look which network it is."""
    def give(folder: Path) -> str:
        write(folder / "model.pt")
        try:
            read = read_model(folder / "model.pt", folder / "kept", memory_gb=MEMORY_GB,
                              seconds=SECONDS)
            if known:
                recognise(read.shapes(), Hints())
        except NGFError as error:
            return str(error)
        return TAKEN
    return give


def cases(subject: str, files: Mapping[str, tuple[Write, str]], heavy: tuple[str, ...] = ()
          ) -> list[Case]:
    """A case per file: how it is written, and what is said of it. `heavy` ones cost their reader,
    so they are read apart only, in the long campaign and not in the ordinary tests."""
    return [Case(subject, name, apart(write), says, quick=False) if name in heavy else
            Case(subject, name, here(write), says, also=apart(write))
            for name, (write, says) in files.items()]
