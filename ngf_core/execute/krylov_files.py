"""The Krylov state of each model of a spectrum run, kept in the run's folder.

A later run of the same source, samples, seed and matrix resumes from it, as does a new run after a
cancelled one. The files are hidden: they are not a result, and do not ship with the zoo. Each holds
its own checksum, as a run that was cancelled records none; a damaged one is not used.
"""

import contextlib
import dataclasses

import torch

from ngf_core.config import SpectrumConfig
from ngf_core.curvature.spectral.state import SpectrumState
from ngf_core.errors import NGFError
from ngf_core.runs import Run, RunStore, RunWriter
from ngf_core.runs.tensors import tensors_sha

# The largest state that is kept, in bytes; a mini network's is about 8 million.
LARGEST = 256_000_000
_SHA = "sha256"
# The settings that determine the matrix and the random directions.
IDENTITY = ("source", "samples", "seed", "operator", "parameters")


def keep(writer: RunWriter, name: str, state: SpectrumState) -> None:
    """Write the state of the model `name`, unless it is large or writing fails."""
    if state.krylov is None or state.bytes() > LARGEST:
        return
    with contextlib.suppress(NGFError, OSError):
        tensors = state.to_tensors()
        writer.tensors(_file(name), tensors | {_SHA: _digest(tensors)})


def find(config: SpectrumConfig, store: RunStore, name: str,
         device: torch.device) -> tuple[SpectrumState, str | None]:
    """The earlier state of the model `name`, and the id of the run that holds it.

    Of all fitting runs, the one with most products; an empty state and None where there is none.
    """
    best, where = SpectrumState(config.seed), None
    for run in store.list("spectrum"):
        if run.live or not _fits(run, config) or not run.has(_file(name) + ".safetensors"):
            continue
        with contextlib.suppress(NGFError, OSError):
            tensors = run.tensors(_file(name))
            whole = torch.equal(tensors.pop(_SHA, torch.empty(0)), _digest(tensors))
            state = SpectrumState.from_tensors(tensors, device)
            if whole and state.products > best.products and state.seed == config.seed:
                best, where = state, run.id
    return best, where


def _fits(run: Run, config: SpectrumConfig) -> bool:
    try:
        other = dataclasses.asdict(run.config)
    except NGFError:
        return False
    return all(other[key] == getattr(config, key) for key in IDENTITY)


def _digest(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.frombuffer(bytearray.fromhex(tensors_sha(tensors)), dtype=torch.uint8)


def _file(name: str) -> str:
    return f".krylov-{name}"
