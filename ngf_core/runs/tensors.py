"""Tensors in safetensors files: whole, or as what differs from a file of another run.

A file of the second kind names its base in its header and holds only the tensors that are not
equal to the base's; reading it gives all of them. Tensors may be stored in half precision and are
float32 once read. So no reader has to know how a file was stored.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_KEYS = ("base_run", "base_file", "base_sha")


@dataclass(frozen=True)
class Base:
    """The file that another one completes: its run, its name without suffix, and `tensors_sha` of
    its tensors."""

    run: str
    file: str
    sha: str


@dataclass(frozen=True)
class Stored:
    """What one file holds: its own tensors, those of half precision as float32, and its base."""

    own: "dict[str, torch.Tensor]"
    base: Base | None


def encode(tensors: Mapping[str, Any], base: Base | None = None) -> bytes:
    """The content of a safetensors file with these tensors, all torch's or all NumPy's, and with
    `base` in its header."""
    import numpy as np

    header = None if base is None else dict(zip(_KEYS, (base.run, base.file, base.sha)))
    if tensors and all(isinstance(value, np.ndarray) for value in tensors.values()):
        from safetensors.numpy import save as save_arrays

        return save_arrays({key: np.ascontiguousarray(value) for key, value in tensors.items()},
                           header)
    from safetensors.torch import save

    # Clones, since the format rejects tensors that share memory.
    return save({key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()},
                header)


def decode(content: bytes) -> Stored:
    """What the file of this content holds. Raises whatever a damaged content makes safetensors
    raise."""
    import torch
    from safetensors.torch import load

    own = {name: value.float() if value.dtype == torch.float16 else value
           for name, value in load(content).items()}
    return Stored(own, _base(_header(content).get("__metadata__")))


def differing(tensors: "Mapping[str, torch.Tensor]", base: "Mapping[str, torch.Tensor]"
              ) -> "dict[str, torch.Tensor]":
    """The tensors that are not equal to the base's, bit by bit.

    All of them where the base has one that these lack: reading a difference would add it.
    """
    if base.keys() - tensors.keys():
        return dict(tensors)
    return {name: value for name, value in tensors.items()
            if name not in base or not _equal(value, base[name])}


def tensors_sha(tensors: "Mapping[str, torch.Tensor]") -> str:
    """SHA-256 of names, types, shapes and values, in the order of the names: equal for equal
    tensors, however they are stored."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(_bytes(value))
    return digest.hexdigest()


def shapes(path: Path) -> tuple[dict[str, tuple[int, ...]], Base | None]:
    """The shapes of a file's own tensors by name, and its base, from its header alone.

    Raises OSError and ValueError where it cannot be read.
    """
    with open(path, "rb") as file:
        start = file.read(8)
        # A damaged file may claim a header of any length.
        length = min(int.from_bytes(start, "little"), path.stat().st_size)
        header = _header(start + file.read(length))
    metadata = header.pop("__metadata__", None)
    return {name: tuple(entry["shape"]) for name, entry in header.items()}, _base(metadata)


def _header(content: bytes) -> dict[str, Any]:
    """The header as the format defines it: its length in 8 bytes, little-endian, then JSON."""
    import json

    header: dict[str, Any] = json.loads(content[8:8 + int.from_bytes(content[:8], "little")])
    return header


def _base(metadata: Mapping[str, str] | None) -> Base | None:
    if metadata is None or not set(_KEYS) <= metadata.keys():
        return None
    return Base(*(metadata[key] for key in _KEYS))


def _equal(one: "torch.Tensor", other: "torch.Tensor") -> bool:
    # By bytes, since -0.0 equals 0.0 and NaN does not equal itself.
    return one.dtype == other.dtype and one.shape == other.shape and _bytes(one) == _bytes(other)


def _bytes(value: "torch.Tensor") -> bytes:
    import torch

    return bytes(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
