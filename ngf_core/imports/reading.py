"""Reading a model's file in a process of its own, under limits of memory and time.

The process writes the tensors as safetensors, which hold no code, and a report as JSON. Whatever a
hostile file may do to it, the caller reads only these two.
"""

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from unittest.mock import patch

from ngf_core.errors import ConfigError, NGFError
from ngf_core.runs.disk import file_sha
from ngf_core.runs.jobs import environment
from ngf_core.runs.tensors import shapes

if TYPE_CHECKING:
    import torch

MEMORY_GB, SECONDS = 4.0, 120
SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
MAGIC_ZIP, PICKLE = b"PK\x03\x04", b"\x80"


@dataclass(frozen=True)
class Read:
    """A file's tensors, now in `tensors` (safetensors), and what the file told about them.

    names: the tensors' names in the file's order. dtypes: how many are of each type. place, prefix,
    others, said: see `Checkpoint`.
    """

    sha: str
    tensors: Path
    names: tuple[str, ...] = ()
    place: str = ""
    prefix: str = ""
    others: tuple[str, ...] = ()
    said: Mapping[str, Any] = field(default_factory=dict)
    dtypes: Mapping[str, int] = field(default_factory=dict)


    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes by name, in the file's order."""
        found, _ = shapes(self.tensors)
        return {name: found[name] for name in self.names}


def load(read: Read) -> "dict[str, torch.Tensor]":
    """The tensors, in the file's order and of its types."""
    from safetensors.torch import load_file

    tensors = load_file(read.tensors)
    return {name: tensors[name] for name in read.names}


def came_as(read: Read) -> dict[str, Any]:
    """What an export needs to give the tensors back as they came: names, types and prefix."""
    return {"prefix": read.prefix, "place": read.place,
            "tensors": {name: str(value.dtype).removeprefix("torch.")
                        for name, value in load(read).items()}}


def read_model(path: Path, into: Path, inside: str = "", memory_gb: float = MEMORY_GB,
               seconds: float = SECONDS) -> Read:
    """The tensors of a model's file, written into the folder `into` under the file's SHA-256.

    Takes safetensors and what torch.save wrote; a file that was read before is not read again.
    memory_gb bounds the tensors, seconds the whole. Raises ConfigError with what is wrong with the
    file, NGFError where it takes more than that.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError("file", f"there is no file {path}", "Name a file with a model's weights.")
    if path.stat().st_size > memory_gb * 1e9:
        raise ConfigError("file", f"has {path.stat().st_size / 1e9:.1f} GB, and at most "
                          f"{memory_gb:g} GB are read", "Save only the model's weights.")
    into.mkdir(parents=True, exist_ok=True)
    sha = file_sha(path)
    known = read_before(into, sha, inside)
    if known is not None:
        return known
    target, report = _places(into, sha, inside)
    with tempfile.TemporaryDirectory(dir=into) as folder:
        draft = Path(folder)
        said = _in_another_process(path, draft / "tensors", inside, memory_gb, seconds)
        (draft / "report").write_text(json.dumps(said))
        (draft / "tensors").replace(target)
        (draft / "report").replace(report)
    return _read_as(sha, target, said)


def read_before(into: Path, sha: str, inside: str = "") -> Read | None:
    """What `read_model` read from the file of that SHA-256 into the folder; None where nothing."""
    target, report = _places(into, sha, inside)
    if not (target.is_file() and report.is_file()):
        return None
    return _read_as(sha, target, json.loads(report.read_text()))


def _read_as(sha: str, target: Path, said: Mapping[str, Any]) -> Read:
    return Read(sha, target, tuple(said["names"]), said["place"], said["prefix"],
                tuple(said["others"]), said["said"], said["dtypes"])


def _places(into: Path, sha: str, inside: str) -> tuple[Path, Path]:
    if not re.fullmatch("[0-9a-f]{64}", sha):
        raise ConfigError("file_sha", f"{sha[:80]!r} is no SHA-256", "Leave it out.")
    # A digest rather than the key itself: it comes from outside and must not name a path.
    key = f"-{hashlib.sha256(inside.encode()).hexdigest()[:16]}" if inside else ""
    return into / f"{sha}{key}.safetensors", into / f"{sha}{key}.json"


def _in_another_process(path: Path, target: Path, inside: str, memory_gb: float, seconds: float
                        ) -> dict[str, Any]:
    command = [sys.executable, "-m", "ngf_core.imports.reading", str(path.absolute()),
               str(target.absolute()), inside, str(memory_gb), str(seconds)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30,
                              env=_bare(), stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired:
        raise _too_much(memory_gb, seconds) from None
    last = done.stdout.strip().rpartition("\n")[2]
    try:
        answer = json.loads(last)
    except ValueError:  # killed, or out of memory before it could say so
        raise _too_much(memory_gb, seconds) from None
    if "wrong" in answer:
        raise ConfigError(*answer["wrong"])
    return answer


def _bare() -> dict[str, str]:
    """What Python and torch need of the environment, without the server's settings and secrets."""
    kept = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "HOME", "LANG", "TMPDIR", "TEMP", "SYSTEMROOT")
    return {name: value for name, value in environment().items() if name in kept}


def _too_much(memory_gb: float, seconds: float) -> NGFError:
    return NGFError(f"The file could not be read within {memory_gb:g} GB and {seconds:g} seconds, "
                    "or it crashes its reader. Save only the model's weights "
                    "(`model.state_dict()`), if possible as safetensors.")


# ---- in the process that reads


def main(arguments: list[str]) -> int:
    """`python -m ngf_core.imports.reading FILE TARGET INSIDE GB SECONDS`; prints the report."""
    path, target, inside, memory_gb, seconds = arguments
    import torch  # noqa: F401  before the limit: its libraries take address space of their own

    _limit(float(memory_gb), float(seconds))
    try:
        report = read_here(Path(path), Path(target), inside)
    except ConfigError as error:
        report = {"wrong": [error.field, error.why, error.fix]}
    except MemoryError:
        return 3
    except RuntimeError as error:
        if "memory" in str(error):
            return 3
        raise
    print(json.dumps(report), flush=True)
    return 0


def _limit(memory_gb: float, seconds: float) -> None:
    """Bound what this process may take, on systems that can."""
    try:
        import resource
    except ImportError:
        return
    import psutil

    # Twice: what was read, and a copy of it in the order of the format.
    now = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (int(now + 2 * memory_gb * 1e9 + 5e8),) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 1))


def read_here(path: Path, target: Path, inside: str) -> dict[str, Any]:
    """Write a file's tensors to `target` and return the report; in the process that may be lost."""
    import torch
    from safetensors.torch import save_file

    from ngf_core.imports.checkpoint import checkpoint

    found = checkpoint(_loaded(path), inside)
    strange = next((name for name, value in found.tensors.items() if value.is_quantized
                    or value.is_complex() or value.is_sparse or value.is_meta), None)
    if strange:
        raise ConfigError("file", f"{strange} is {found.tensors[strange].dtype}, "
                          f"{found.tensors[strange].layout}, and not plain numbers",
                          "Save the model in float32, float16 or bfloat16.")
    for name, value in found.tensors.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            bad = int((~torch.isfinite(value)).sum())
            raise ConfigError("file", f"{bad:,} of the {value.numel():,} numbers in {name} are not "
                              "finite", "The training that made it diverged; import an earlier "
                              "checkpoint.")
    save_file({name: value.detach().contiguous().clone() for name, value in found.tensors.items()},
              target)
    kinds = Counter(str(value.dtype).removeprefix("torch.") for value in found.tensors.values())
    return {"names": list(found.tensors), "place": found.place, "prefix": found.prefix,
            "others": found.others, "said": found.said, "dtypes": kinds}


def _loaded(path: Path) -> Any:
    """What the file holds, with unknown classes left inert."""
    import torch
    from safetensors.torch import load_file

    from ngf_core.imports import unpickle

    with open(path, "rb") as file:
        start = file.read(9)
    if start[8:9] == b"{" and start[:4] != MAGIC_ZIP:
        try:
            return load_file(path)
        except Exception as error:
            raise ConfigError("file", f"is a damaged safetensors file ({type(error).__name__}: "
                              f"{str(error)[:120]})", "Copy it again.") from None
    if start[:4] == MAGIC_ZIP:
        _refuse_script(path)
    elif tarfile.is_tarfile(path):
        raise ConfigError("file", "is a tar archive, as torch.save wrote before version 0.2",
                          "Load it with torch and save its state dict again.")
    if start[:4] != MAGIC_ZIP and start[:1] != PICKLE:
        raise ConfigError("file", "is neither safetensors nor what torch.save writes",
                          f"Give one of {', '.join(SUFFIXES)} with a model's weights.")
    # What torch.load does besides unpickling: it runs TorchScript that its own zip reader finds,
    # and compares (and writes) the source of modules that a legacy file names. weights_only would
    # refuse a file for objects beside the tensors, which `unpickle` leaves inert instead.
    shut = (patch.object(torch.jit, "load", _script), patch.object(
        torch.serialization, "get_source_lines_and_file", _script))
    try:
        with shut[0], shut[1]:
            return torch.load(path, map_location="cpu", weights_only=False, pickle_module=unpickle)
    except (MemoryError, ConfigError):
        raise
    except Exception as error:  # a damaged or hostile file can raise anything
        if "memory" in str(error):
            raise MemoryError from error
        raise ConfigError("file", f"cannot be read as what torch.save or safetensors write "
                          f"({type(error).__name__}: {str(error)[:120]})",
                          f"Give one of {', '.join(SUFFIXES)} with a model's weights.") from None


def _refuse_script(path: Path) -> None:
    """Raise ConfigError for a zip with code, and for one that Python's reader does not take."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise ConfigError("file", f"cannot be read as a zip ({str(error)[:80]})",
                          "Copy it again.") from None
    if any(name.endswith("constants.pkl") or "/code/" in name for name in names):
        _script()


def _script(*_: Any, **__: Any) -> NoReturn:
    raise ConfigError("file", "is a TorchScript archive, which holds code",
                      "Save `model.state_dict()` of the model it was made from.")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
