"""The state dict inside what a file holds: bare, in a checkpoint, in BackdoorBench's dictionary."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ngf_core.errors import ConfigError, shown
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
OTHERS = 20  # keys that are named at most
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
    if not isinstance(loaded, dict) or isinstance(loaded, Unknown):
        raise ConfigError("file", f"holds {_kind(loaded)} and not a table of tensors", KEPT)
    loaded = _table(loaded)
    found = {place: loaded[place] for place in PLACES if _is_state_dict(loaded.get(place))}
    found |= {key: value for key, value in loaded.items()
              if key not in found and _is_key(key) and _is_state_dict(value)}
    if inside:
        if inside not in found:
            raise ConfigError("inside", f"the file holds no state dict under {inside!r}",
                              f"It has {', '.join(list(found)[:OTHERS]) or 'none'}.")
        place = inside
    elif _is_state_dict(loaded):
        return _stripped("", loaded, (), {})
    elif found:
        place = next(iter(found))
    else:
        keys = ", ".join(f"{_word(key)} ({_kind(value)})" for key, value in
                         list(loaded.items())[:8])
        raise ConfigError("file", f"holds no state dict: {keys or 'nothing'}", KEPT)
    said = {name: loaded[name] for name in SAID if _is_plain(loaded.get(name))}
    others = tuple(key for key in found if key != place)[:OTHERS]
    return _stripped(place, found[place], others, said)


def _is_key(key: Any) -> bool:
    """A word or a few, which can be shown and asked for."""
    return isinstance(key, str) and 0 < len(key) <= 80 and key.isprintable()


def _is_plain(value: Any) -> bool:
    """A short text, a number, or a few of these."""
    if isinstance(value, list | tuple):
        return len(value) <= 4 and all(isinstance(part, int) and _is_plain(part) for part in value)
    return isinstance(value, int) and abs(value) < 10**9 or _is_key(value)


def _is_state_dict(value: Any) -> bool:
    """Whether it maps texts to tensors, several of them; counters such as steps may be among."""
    if not isinstance(value, dict) or isinstance(value, Unknown):
        return False
    entries = _table(value)
    tensors = [key for key, entry in entries.items() if isinstance(entry, Tensor)]
    return len(tensors) > 1 and all(isinstance(key, str) for key in tensors) and not any(
        isinstance(entry, dict) and not isinstance(entry, Unknown) for entry in entries.values())


def _table(value: dict[Any, Any]) -> dict[Any, Any]:
    """The entries alone: a pickle may have given the table attributes called `items` or `get`."""
    return dict(dict.items(value))


def _stripped(place: str, state: dict[str, Any], others: tuple[str, ...], said: dict[str, Any]
              ) -> Checkpoint:
    tensors = {name: value for name, value in _table(state).items() if isinstance(value, Tensor)}
    prefix = ""
    while shared := _shared(prefix, tensors):
        prefix += shared
    return Checkpoint({name.removeprefix(prefix): value for name, value in tensors.items()},
                      place, prefix, others, said)


def _shared(prefix: str, names: Collection[str]) -> str:
    """What all names have after `prefix` of what is put before names; "" where nothing."""
    others = (RESIZED,) if f"{prefix}{TOKEN}" in names else ()
    return next((more for more in (*PREFIXES, *others)
                 if all(name.startswith(prefix + more) for name in names)), "")


def _word(key: Any) -> str:
    # A key of another kind may be nested, and take forever to write out.
    return shown(key, 40) if isinstance(key, str) else _kind(key)


def _kind(value: Any) -> str:
    if isinstance(value, type) and issubclass(value, Unknown):
        return f"the class {shown(value.named, 80)}, whose code is not run"
    if isinstance(value, Unknown):
        return f"an object of the class {shown(value.named, 80)}, whose code is not run"
    return f"a {type(value).__name__}"
