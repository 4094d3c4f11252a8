"""The state dict inside what a file holds: bare, in a checkpoint, in BackdoorBench's dictionary."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ngf_core.errors import ConfigError
from ngf_core.imports.unpickle import Unknown

# Where checkpoints keep a model's tensors, the likeliest first.
PLACES = ("state_dict", "model_state_dict", "model", "net", "network", "netC", "weights", "params",
          "model_ema", "state_dict_ema", "ema", "ema_state_dict")
# What DataParallel, torch.compile and Lightning put before every name.
PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
# BackdoorBench's transformer is the second part of a Sequential, after a resizing.
RESIZED, TOKEN = "1.", "1.class_token"
# What BackdoorBench's attack_result.pt tells about its model (save_load_attack.py).
SAID = ("model_name", "num_classes", "img_size", "clean_data")
KEPT = "Save `model.state_dict()` with torch.save or safetensors, and import that file."


@dataclass(frozen=True)
class Checkpoint:
    """A model's tensors as a file names them, without `prefix`.

    place: the key under which the file holds them ("" where it holds nothing else). others: the
    keys of further state dicts there. said: what BackdoorBench's dictionary tells of the model.
    """

    tensors: dict[str, Tensor]
    place: str = ""
    prefix: str = ""
    others: tuple[str, ...] = ()
    said: dict[str, Any] = field(default_factory=dict)


def checkpoint(loaded: Any, inside: str = "") -> Checkpoint:
    """The model's tensors in what torch.load returned.

    inside: the key to take them from; "" takes the file's own, else the first of PLACES. Raises
    ConfigError where there is no state dict, or none under that key.
    """
    if not isinstance(loaded, Mapping) or isinstance(loaded, Unknown):
        raise ConfigError("file", f"holds {_kind(loaded)} and not a table of tensors", KEPT)
    found = {place: loaded[place] for place in PLACES if _is_state_dict(loaded.get(place))}
    found |= {str(key): value for key, value in loaded.items()
              if str(key) not in found and _is_state_dict(value)}
    if inside:
        if inside not in found:
            raise ConfigError("inside", f"the file holds no state dict under {inside!r}",
                              f"It has {', '.join(found) or 'none under a key'}.")
        place = inside
    elif _is_state_dict(loaded):
        return _stripped("", loaded, (), {})
    elif found:
        place = next(iter(found))
    else:
        keys = ", ".join(f"{str(key)[:40]} ({_kind(value)})" for key, value in
                         list(loaded.items())[:8])
        raise ConfigError("file", f"holds no state dict: {keys or 'nothing'}", KEPT)
    said = {name: loaded[name] for name in SAID if _is_plain(loaded.get(name))}
    return _stripped(place, found[place], tuple(key for key in found if key != place), said)


def _is_plain(value: Any) -> bool:
    """A short text, a number, or a few of these."""
    if isinstance(value, list | tuple):
        return len(value) <= 4 and all(isinstance(part, int) for part in value)
    return isinstance(value, int) or isinstance(value, str) and len(value) <= 80


def _is_state_dict(value: Any) -> bool:
    """Whether it maps texts to tensors, several of them; counters such as steps may be among."""
    if not isinstance(value, Mapping) or isinstance(value, Unknown):
        return False
    tensors = [key for key, entry in value.items() if isinstance(entry, Tensor)]
    return len(tensors) > 1 and all(isinstance(key, str) for key in tensors) and not any(
        isinstance(entry, Mapping) for entry in value.values())


def _stripped(place: str, state: Mapping[str, Any], others: tuple[str, ...], said: dict[str, Any]
              ) -> Checkpoint:
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    prefix = ""
    while True:
        prefixes = (*PREFIXES, RESIZED) if TOKEN in tensors else PREFIXES
        shared = next((p for p in prefixes if all(name.startswith(p) for name in tensors)), "")
        if not shared:
            return Checkpoint(tensors, place, prefix, others, said)
        prefix += shared
        tensors = {name.removeprefix(shared): value for name, value in tensors.items()}


def _kind(value: Any) -> str:
    if isinstance(value, Unknown):
        return f"an object of the class {value.named[:80]}, whose code is not run"
    return f"a {type(value).__name__}"
