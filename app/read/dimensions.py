"""How many weights a model has, read from the headers of its files."""

import math

from app import state
from ngf_core.errors import NGFError
from ngf_core.runs import Run
from ngf_core.runs.files import RECEIVED, model_file
from ngf_core.runs.lineage import holder_of


def dimensions(run: Run) -> str:
    """The number of weights of the models a measurement is about, without BatchNorm statistics;
    "many" where its source's model file is missing."""
    try:
        holder = holder_of(run, state.store())
        shapes = holder.shapes(model_file(holder.kind, RECEIVED))
    except NGFError:
        return "many"
    return f"{sum(math.prod(shape) for name, shape in shapes.items() if _is_weight(name)):,}"


def _is_weight(name: str) -> bool:
    return name.rpartition(".")[2] in ("weight", "bias")
