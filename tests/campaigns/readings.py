"""Every way in which a run is read, each with what it answered: data, a sentence, or a stack trace.

Data are told apart by a digest, so that two readings of a run can be compared.
"""

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch

from ngf_core.cli.main import main as command_line
from ngf_core.config import SpectrumConfig
from ngf_core.errors import NGFError
from ngf_core.execute import krylov_files
from ngf_core.runs import Run, RunStore
from ngf_core.runs.manifest import CORRUPT
from ngf_core.runs.tensors import tensors_sha

CPU, KRYLOV = torch.device("cpu"), ".krylov-"
DATA, SENTENCE, TRACE = "data", "sentence", "stack trace"


@dataclass(frozen=True)
class Answer:
    """What one reading gave. kind: DATA, SENTENCE or TRACE; said: a digest, or the words."""

    kind: str
    said: str


def everything(run: Run, entries: tuple[str, ...] = ()) -> dict[str, Answer]:
    """The answer of each way to read a run, by its name.

    Of the manifest those `entries` count that the run is known to have; all where none are given.
    """
    names = sorted(path.name for path in run.path.iterdir())
    ways: dict[str, Callable[[], Any]] = {
        "Run.manifest": lambda: _manifest(run, entries), "Run.status": lambda: _status(run),
        "Run.events": lambda: run.events()[0],
        "Run.points": lambda: run.points().to_csv(index=False)}
    for name in names:
        if name.startswith(KRYLOV):
            ways[f"krylov_files.find {name}"] = lambda name=name: _krylov(run, name)
        elif name.endswith(".safetensors"):
            ways[f"Run.tensors {name}"] = lambda name=name: tensors_sha(run.tensors(name))
        if name.endswith(".npz"):
            ways[f"Run.arrays {name}"] = lambda name=name: _arrays(run.arrays(name))
    read = {way: answer(read) for way, read in ways.items()}
    return read | {f"ngf {' '.join(words)}": command(run, *words)
                   for words in (("runs",), ("runs", "show", run.id))}


def answer(read: Callable[[], Any]) -> Answer:
    """What a function gave: its value's digest, its sentence, or the exception that is neither."""
    try:
        value = read()
    except NGFError as error:
        return Answer(SENTENCE, str(error))
    except Exception as error:
        return Answer(TRACE, f"{type(error).__name__}: {error}")
    return Answer(DATA, hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest())


def command(run: Run, *words: str) -> Answer:
    """What the command `ngf` printed of the store that the run is in; of a list, the run's line."""
    out, err = io.StringIO(), io.StringIO()
    with patch.dict(os.environ, NGF_RUNS=str(run.path.parent)), \
            contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = command_line(list(words))
        except Exception as error:
            return Answer(TRACE, f"{type(error).__name__}: {error}")
    if code:
        return Answer(SENTENCE, err.getvalue().strip())
    said = "\n".join(line for line in out.getvalue().splitlines()
                     if len(words) > 1 or run.id in line)
    return Answer(SENTENCE if "corrupt" in said else DATA, said)


def _krylov(run: Run, file: str) -> int:
    """The products that the state of a spectrum run saves a later one; 0 if it is not used."""
    model = file.removeprefix(KRYLOV).removesuffix(".safetensors")
    config = run.config_as(SpectrumConfig)
    state, where = krylov_files.find(config, RunStore(run.path.parent), model, CPU)
    if where != run.id:
        raise NGFError(f"{file} is not used; a later run computes it anew.")
    return state.products


def _manifest(run: Run, entries: tuple[str, ...]) -> dict[str, Any]:
    manifest = run.manifest
    if manifest["state"] == CORRUPT:
        raise NGFError(manifest["message"])
    return {name: manifest.get(name) for name in entries or manifest}


def _status(run: Run) -> list[str]:
    state, message = run.status()
    if state == CORRUPT:
        raise NGFError(message)
    return [state, message]


def _arrays(arrays: Mapping[str, Any]) -> dict[str, list[str]]:
    return {name: [str(value.dtype), str(value.shape), hashlib.sha256(value.tobytes()).hexdigest()]
            for name, value in arrays.items()}
