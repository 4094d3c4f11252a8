"""A model's file turned into plain tensors, without running what it holds.

Called in a process of its own (`aside`), which a hostile file may cost.
"""

import re
import tarfile
import zipfile
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

import torch
from safetensors.torch import load_file, save_file

from ngf_core.errors import ConfigError, shown
from ngf_core.imports.checkpoint import Checkpoint, checkpoint
from ngf_core.imports.first_bytes import FORMATS, PICKLE, ZIP
from ngf_core.imports.unpickle import Pickles

# Names of layers become text on pages and keys of files.
NAME, MOST_TENSORS = re.compile(r"[\w./:-]{1,300}"), 20_000
WEIGHTS = "Save only `model.state_dict()`, with torch.save or safetensors, and import that file."
TENSORS, MOST_IGNORED = "tensors", 20


def read_here(path: Path, folder: Path, inside: str = "") -> dict[str, Any]:
    """Write a file's tensors to `folder`/TENSORS as safetensors, and return what else it told.

    types: the tensors' names in the file's order, with their types. place, prefix, others, said:
    see `Checkpoint`. ignored: the functions and classes that its pickles name and that were not
    called, MOST_IGNORED at most; ignored_count: how many. inside: the key of the state dict that is
    meant. Raises ConfigError with what is wrong with the file.
    """
    pickles = Pickles()
    try:
        found = checkpoint(_loaded(path, pickles), inside)
    except RecursionError:
        raise ConfigError("file", "is nested deeper than a model's file is", WEIGHTS) from None
    _check(found)
    save_file({name: value.detach().contiguous().clone() for name, value in found.tensors.items()},
              folder / TENSORS)
    return {"types": {name: str(value.dtype).removeprefix("torch.")
                      for name, value in found.tensors.items()},
            "place": found.place, "prefix": found.prefix, "others": found.others,
            "said": found.said,
            "ignored": [shown(name, 80) for name in list(pickles.unknown)[:MOST_IGNORED]],
            "ignored_count": len(pickles.unknown)}


def _check(found: Checkpoint) -> None:
    """Raise ConfigError for tensors that are no model's weights."""
    if len(found.tensors) > MOST_TENSORS:
        raise ConfigError("file", f"holds {len(found.tensors):,} tensors, and at most "
                          f"{MOST_TENSORS:,} are taken", WEIGHTS)
    for name, value in found.tensors.items():
        if not NAME.fullmatch(name):
            raise ConfigError("file", f"names a tensor {shown(ascii(name))}, which is no name of a "
                              "layer", "Use letters, digits and . _ - / : in names.")
        if value.is_quantized or value.is_complex() or value.is_sparse or value.is_meta \
                or value.layout != torch.strided:
            raise ConfigError("file", f"{name} is {value.dtype}, {value.layout} on {value.device}, "
                              "and not plain numbers",
                              "Save the model in float32, float16 or bfloat16.")
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            bad = int((~torch.isfinite(value)).sum())
            raise ConfigError("file", f"{bad:,} of the {value.numel():,} numbers in {name} are not "
                              "finite", "The training that made it diverged; import an earlier "
                              "checkpoint.")
        if name.endswith("running_var") and bool((value < 0).any()):
            raise ConfigError("file", f"{name} holds a negative variance, {value.min().item():g}, "
                              "whose root batch normalisation would take",
                              "The file is damaged or not what it says; import another checkpoint.")


def _loaded(path: Path, pickles: Pickles) -> Any:
    """What the file holds, with unknown classes left inert."""
    with open(path, "rb") as file:
        start = file.read(9)
    if start[8:9] == b"{" and start[:4] != ZIP:
        try:
            return load_file(path)
        except Exception as error:
            raise ConfigError("file", f"is a damaged safetensors file ({type(error).__name__}: "
                              f"{shown(error)})", "Copy it again.") from None
    if start[:4] == ZIP:
        _refuse_script(path)
    elif tarfile.is_tarfile(path):
        raise ConfigError("file", "is a tar archive, as torch.save wrote before version 0.2",
                          "Load it with torch and save its state dict again.")
    if start[:4] != ZIP and start[:1] != PICKLE:
        raise ConfigError("file", "is neither safetensors nor what torch.save writes", FORMATS)
    # What torch.load does besides unpickling: it runs TorchScript that its own zip reader finds,
    # and compares (and writes) the source of modules that a legacy file names. weights_only would
    # refuse a file for objects beside the tensors, which `unpickle` leaves inert instead.
    shut = (patch.object(torch.jit, "load", _script), patch.object(
        torch.serialization, "get_source_lines_and_file", _script))
    try:
        with shut[0], shut[1]:
            return torch.load(path, map_location="cpu", weights_only=False, pickle_module=pickles)
    except (MemoryError, RecursionError, ConfigError):
        raise
    except Exception as error:  # a damaged or hostile file can raise anything
        if "memory" in str(error):
            raise MemoryError from error
        raise ConfigError("file", f"cannot be read as what torch.save or safetensors write "
                          f"({type(error).__name__}: {shown(error)})", FORMATS) from None


def _refuse_script(path: Path) -> None:
    """Raise ConfigError for a zip with code, and for one that Python's reader does not take."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise ConfigError("file", f"cannot be read as a zip ({shown(error)})",
                          "Copy it again.") from None
    if any(name.endswith("constants.pkl") or "/code/" in name for name in names):
        _script()


def _script(*_: Any, **__: Any) -> NoReturn:
    raise ConfigError("file", "is a TorchScript archive, which holds code",
                      "Save `model.state_dict()` of the model it was made from.")
