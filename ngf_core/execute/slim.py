"""A finished training or purification in fewer bytes, for a zoo that ships."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ngf_core.evaluate.rates import Evaluation
from ngf_core.evaluate.test_set import evaluate
from ngf_core.runs import Run, RunStore
from ngf_core.runs.files import ATTACK, RECEIVED, model_entry, model_file
from ngf_core.runs.lineage import model_files
from ngf_core.runs.rewrite import rewrite
from ngf_core.runs.tensors import Base, decode, differing, encode, tensors_sha
from ngf_core.trained.load import load_trained

LARGE = 10_000  # numbers; all smaller tensors of a ResNet-18 are a twentieth of it


@dataclass(frozen=True)
class Under:
    """The tensors of the file that others complete, and its name; nothing where there is none."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    base: Base | None = None


def slim(run: Run, store: RunStore, folder: Path) -> None:
    """Rewrite the models of a training or purification that will be kept in `folder`; other runs
    are left as they are.

    Weights take half precision where the model read from that file has, on all test images, exactly
    the ACC, ASR and RA in the run's results: all of them, else the tensors of at least `LARGE`
    numbers, else none. In a purification, tensors equal to those of its
    source are left out if that is in `folder` too. What an attack learned stays float32. `store`
    finds the run and its source. Raises RunError where a file of one of them is missing or damaged.
    """
    if run.kind not in ("train", "purify"):
        return
    trained = load_trained(run.id, store)
    test = trained.test
    source = store.get(run.manifest["source"]) if run.kind == "purify" else None
    if source is not None and source.path.parent != folder:
        source = None
    received = _under(source, model_file("train", RECEIVED))
    contents: dict[str, bytes] = {}
    if run.has(ATTACK):
        contents[ATTACK] = _content(run.tensors(ATTACK), _under(source, ATTACK))
    for name, file in model_files(run).items():
        tensors, model = run.tensors(file), trained.models[name]
        recorded = Evaluation.from_json(run.results[model_entry(run.kind, name)])
        for halved_from in (0, LARGE):
            contents[file] = _content(tensors, received, halved_from)
            model.load_state_dict(received.tensors | decode(contents[file]).own)
            if evaluate(model, test) == recorded:
                break
        else:
            contents[file] = _content(tensors, received)
    rewrite(run, {f"{file}.safetensors": content for file, content in contents.items()})


def _under(source: Run | None, file: str) -> Under:
    if source is None or not source.has(file):
        return Under()
    tensors = source.tensors(file)
    return Under(tensors, Base(source.id, file, tensors_sha(tensors)))


def _content(tensors: dict[str, Tensor], under: Under, halved_from: float = math.inf) -> bytes:
    """The file of what `under` lacks of these tensors, float32 ones of so many numbers halved."""
    own = {name: value.half() if value.dtype == torch.float32 and value.numel() >= halved_from
           else value for name, value in differing(tensors, under.tensors).items()}
    return encode(own, under.base if len(own) < len(tensors) else None)
