"""The finished parts of a run, so that it can go on where it stopped: one hidden file each.

A part is any nesting of dicts, lists, numbers, texts and tensors: the state of a training after an
epoch, a layer of a map, a model of a spectrum. Its file is a safetensors file whose header holds
the nesting as JSON. Parts are replaced in one step and deleted when the run has ended.
"""

import contextlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ngf_core.runs.disk import DiskFull, replace_file

if TYPE_CHECKING:
    from torch import Tensor

_KEY = "part"
_FILE = ".part-{}.safetensors"


def keep_part(folder: Path, name: str, value: Any) -> None:
    """Write the part `name`; on a full disk it is not kept, and an earlier one of that name stays.

    Raises TypeError for a value that a part cannot hold.
    """
    from safetensors.torch import save

    tensors: dict[str, Tensor] = {}
    header = {_KEY: json.dumps(_packed(value, tensors))}
    with contextlib.suppress(DiskFull):
        replace_file(_path(folder, name), save(tensors, header))


def find_part(folder: Path, name: str) -> Any:
    """What was kept as `name`, bit by bit, tensors on the CPU and tuples as lists.

    None where there is no such part, and where its file is damaged.
    """
    from safetensors.torch import load

    try:
        content = _path(folder, name).read_bytes()
        header = json.loads(content[8:8 + int.from_bytes(content[:8], "little")])
        return _unpacked(json.loads(header["__metadata__"][_KEY]), load(content))
    except FileNotFoundError:
        return None
    except Exception:  # whatever a damaged content makes safetensors raise
        return None


def drop_parts(folder: Path) -> None:
    """Delete all parts of a run."""
    for path in folder.glob(_FILE.format("*")):
        path.unlink(missing_ok=True)


def _path(folder: Path, name: str) -> Path:
    return folder / _FILE.format(re.sub(r"[^\w.-]", "_", name))


def _packed(value: Any, tensors: "dict[str, Tensor]") -> Any:
    """JSON in which an object stands for a dict, whose keys may be numbers, or for a tensor.

    A tensor's strides are kept: in another memory format the same updates may round otherwise.
    """
    import torch

    if isinstance(value, torch.Tensor):
        dense = value.detach().cpu().clone(memory_format=torch.preserve_format)
        key = str(len(tensors))
        tensors[key] = dense.contiguous()
        return {"tensor": key, "stride": list(dense.stride())}
    if isinstance(value, dict):
        return {"dict": [[key, _packed(entry, tensors)] for key, entry in value.items()]}
    if isinstance(value, list | tuple):
        return [_packed(entry, tensors) for entry in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a part cannot hold {type(value).__name__}")


def _unpacked(value: Any, tensors: "dict[str, Tensor]") -> Any:
    import torch

    if isinstance(value, list):
        return [_unpacked(entry, tensors) for entry in value]
    if not isinstance(value, dict):
        return value
    if "dict" in value:
        return {key: _unpacked(entry, tensors) for key, entry in value["dict"]}
    plain = tensors[value["tensor"]]
    return torch.empty_strided(plain.shape, value["stride"], dtype=plain.dtype).copy_(plain)
