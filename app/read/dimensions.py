"""How many weights a model has, read from the header of its file."""

import math

from app import state
from ngf_core.errors import NGFError
from ngf_core.runs import Run
from ngf_core.runs.files import RECEIVED, model_file
from ngf_core.runs.lineage import holder_of


def dimensions(run: Run) -> str:
    """The number of weights of the models a measurement is about, without BatchNorm statistics;
    "many" where its source's model file is missing."""
    from safetensors import SafetensorError, safe_open

    try:
        holder = holder_of(run, state.store())
        file = model_file(holder.kind, RECEIVED)
        with safe_open(holder.path / f"{file}.safetensors", framework="numpy") as tensors:
            names = filter(_is_weight, tensors.keys())
            count = sum(math.prod(tensors.get_slice(name).get_shape()) for name in names)
    except (NGFError, OSError, SafetensorError):
        return "many"
    return f"{count:,}"


def _is_weight(name: str) -> bool:
    return name.rpartition(".")[2] in ("weight", "bias")
