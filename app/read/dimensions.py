"""How many weights a model has, read from the head of its file."""

import math

from app import state
from ngf_core.errors import NGFError
from ngf_core.runs import Run

FILES = ("before.safetensors", "model.safetensors")


def dimensions(run: Run) -> str:
    """The number of weights of the models a measurement is about, without BatchNorm statistics;
    "many" where no model file of its source is here."""
    from safetensors import SafetensorError, safe_open

    try:
        source = state.store().get(run.config.source)
        path = next(source.path / name for name in FILES if (source.path / name).is_file())
        with safe_open(path, framework="numpy") as tensors:
            names = filter(_is_weight, tensors.keys())
            count = sum(math.prod(tensors.get_slice(name).get_shape()) for name in names)
    except (NGFError, StopIteration, OSError, SafetensorError):
        return "many"
    return f"{count:,}"


def _is_weight(name: str) -> bool:
    return name.rpartition(".")[2] in ("weight", "bias")
