"""A model's file, read once and kept as plain tensors under its SHA-256.

The reading itself is `reader`, in a process of its own (`aside`). It writes safetensors, which hold
no code, and a report as JSON. Whatever a hostile file may do to it, the caller reads only these.
"""

import hashlib
import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ngf_core.errors import ConfigError, NGFError
from ngf_core.imports.aside import REPORT, Lost, aside, turn
from ngf_core.imports.first_bytes import check_model
from ngf_core.runs.disk import file_sha
from ngf_core.runs.tensors import shapes

if TYPE_CHECKING:
    import torch

MEMORY_GB, SECONDS = 4.0, 120.0
READER, TENSORS = "ngf_core.imports.reader:read_here", "tensors"


@dataclass(frozen=True)
class Read:
    """A file's tensors, now in `tensors` (safetensors), and what the file told about them.

    types: of each tensor by name, as "float32", in the file's order. place, prefix, others, said:
    see `Checkpoint`. ignored: some of the `ignored_count` functions and classes that the file names
    and that were not called; the count is None where an earlier version read the file.
    """

    sha: str
    tensors: Path
    types: Mapping[str, str]
    place: str = ""
    prefix: str = ""
    others: tuple[str, ...] = ()
    said: Mapping[str, Any] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    ignored_count: int | None = 0

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes by name, in the file's order."""
        found, _ = shapes(self.tensors)
        return {name: found[name] for name in self.types}

    def counts(self) -> dict[str, int]:
        """How many tensors there are of each type."""
        return dict(Counter(self.types.values()))


def load(read: Read) -> "dict[str, torch.Tensor]":
    """The tensors, in the file's order and of its types."""
    from safetensors.torch import load_file

    tensors = load_file(read.tensors)
    return {name: tensors[name] for name in read.types}


def came_as(read: Read) -> dict[str, Any]:
    """What an export needs to give the tensors back as they came: names, types and prefix."""
    return {"prefix": read.prefix, "place": read.place, "tensors": dict(read.types)}


def read_model(path: Path, into: Path, inside: str = "", memory_gb: float = MEMORY_GB,
               seconds: float = SECONDS, waiting: Callable[[], object] = lambda: None) -> Read:
    """The tensors of a model's file, written into the folder `into` under the file's SHA-256.

    Takes safetensors and what torch.save wrote; a file that was read before is not read again.
    memory_gb bounds the tensors, seconds the whole; `waiting()` is called while other files are
    read before it. Raises ConfigError with what is wrong with the file, NGFError where it takes
    more than that, and where others are read for too long.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError("file", f"there is no file {path}", "Name a file with a model's weights.")
    if path.stat().st_size > memory_gb * 1e9:
        raise ConfigError("file", f"has {path.stat().st_size / 1e9:.1f} GB, and at most "
                          f"{memory_gb:g} GB are read", "Save only the model's weights.")
    check_model(path)
    into.mkdir(parents=True, exist_ok=True)
    sha = file_sha(path)
    target, report = _places(into, sha, inside)
    known = read_before(into, sha, inside)
    if known is not None and known.ignored_count is not None:  # a class sends one file many times
        return known
    with turn(into, waiting=waiting):
        known = read_before(into, sha, inside)
        if known is not None and known.ignored_count is not None:
            return known
        with tempfile.TemporaryDirectory(dir=into) as folder:
            draft = Path(folder)
            try:
                said = aside(READER, path, draft, inside, memory_gb=memory_gb, seconds=seconds)
            except Lost:
                raise NGFError(
                    f"The file could not be read within {memory_gb:g} GB and {seconds:g} seconds, "
                    "or it crashes its reader. Save only the model's weights "
                    "(`model.state_dict()`), if possible as safetensors.") from None
            (draft / TENSORS).replace(target)
            (draft / REPORT).replace(report)
    return _read_as(sha, target, said)


def read_before(into: Path, sha: str, inside: str = "") -> Read | None:
    """What `read_model` read from the file of that SHA-256 into the folder; None where nothing
    usable."""
    target, report = _places(into, sha, inside)
    if not (target.is_file() and report.is_file()):
        return None
    try:
        said = json.loads(report.read_text(encoding="utf-8"))
        if "types" not in said:
            said["types"] = _types(target, said["names"])
        return _read_as(sha, target, said)
    except (ValueError, KeyError, TypeError):  # damaged, or of a form that is not known here
        return None


def _types(tensors: Path, names: Sequence[str]) -> dict[str, str]:
    """What a report says today, where an earlier one only has the names in the file's order."""
    from safetensors.torch import load_file

    found = load_file(tensors)
    return {name: str(found[name].dtype).removeprefix("torch.") for name in names}


def _read_as(sha: str, target: Path, said: Mapping[str, Any]) -> Read:
    return Read(sha, target, said["types"], said["place"], said["prefix"], tuple(said["others"]),
                said["said"], tuple(said.get("ignored", ())), said.get("ignored_count"))


def _places(into: Path, sha: str, inside: str) -> tuple[Path, Path]:
    if not re.fullmatch("[0-9a-f]{64}", sha):
        raise ConfigError("file_sha", f"{sha[:80]!r} is no SHA-256", "Leave it out.")
    # A digest rather than the key itself: it comes from outside and must not name a path.
    key = f"-{hashlib.sha256(inside.encode()).hexdigest()[:16]}" if inside else ""
    return into / f"{sha}{key}.safetensors", into / f"{sha}{key}.json"
