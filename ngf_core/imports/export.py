"""A run's model as a file for others: safetensors or a state dict, with a model card."""

import io
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ngf_core.config import ImportConfig, PurifyConfig, flat
from ngf_core.config.command import command_line
from ngf_core.errors import ConfigError, RunError
from ngf_core.evaluate.rates import Evaluation
from ngf_core.imports.model import as_came
from ngf_core.runs import Run, RunStore
from ngf_core.runs.files import FORMATS, RECEIVED, model_entry
from ngf_core.runs.lineage import model_files, training_of


def export(run: Run, store: RunStore, model: str, form: str = "safetensors") -> dict[str, bytes]:
    """The files of one of a run's models, by name: its weights and its card (.md).

    An imported network gets the names, types and prefix of the file that it came in, one trained
    here its own. model: "before", or the method that purified it. form: "safetensors", or "torch"
    for what `torch.load(..., weights_only=True)` reads. Raises ConfigError for a model or form that
    there is not, RunError where the run holds no model.
    """
    files = model_files(run)
    if model not in files:
        raise ConfigError("model", f"run {run.id} holds no model {model!r}",
                          f"Choose one of {', '.join(files)}.")
    if form not in FORMATS:
        raise ConfigError("format", f"{form!r} is unknown", f"Choose one of {', '.join(FORMATS)}.")
    made = training_of(run, store)
    tensors = run.tensors(files[model])
    if isinstance(made, ImportConfig):
        tensors = as_imported(tensors, run, made)
    name = f"{run.id}-{model}"
    return {name + FORMATS[form]: _encoded(tensors, form),
            f"{name}.md": card(run, store, model).encode()}


def as_imported(tensors: dict[str, Tensor], run: Run, made: ImportConfig) -> dict[str, Tensor]:
    """A run's tensors under the names, in the order and of the types that the file had."""
    came: dict[str, Any] = run.results["came_as"]
    dtypes = {name: getattr(torch, kind) for name, kind in came["tensors"].items()}
    return {came["prefix"] + name: value
            for name, value in as_came(tensors, dtypes, made.labels, came["head"]).items()}


def _encoded(tensors: dict[str, Tensor], form: str) -> bytes:
    if form == "safetensors":
        from safetensors.torch import save

        return save({name: value.contiguous() for name, value in tensors.items()})
    content = io.BytesIO()
    torch.save(tensors, content)
    return content.getvalue()


def card(run: Run, store: RunStore, model: str) -> str:
    """What was done to the model and what was measured of it, as Markdown."""
    made, manifest = training_of(run, store), run.manifest
    results = run.results
    entry = results[model_entry(run.kind, model)]
    received = results[model_entry(run.kind, RECEIVED)]
    lines = [f"# {model} of run {run.id}", ""]
    origin = (f"Taken in from `{made.file}` (SHA-256 {made.file_sha}), normalisation "
              f"{made.normalisation}, order {made.order}"
              if isinstance(made, ImportConfig) else "Trained by NGF Lab")
    lines += [f"- Network: {made.arch}", f"- Data set: {made.dataset}", f"- Origin: {origin}",
              f"- Attack: {made.attack}"]
    if isinstance(made, ImportConfig) and "float64" in run.results["came_as"]["tensors"].values():
        lines.append("- Precision: the file's float64 tensors were computed with as float32; they "
                     "are float64 again, with no more digits than that")
    lines += [f"- Doubt when it was taken in: {sentence}" for sentence in _doubts(run, store)]
    if isinstance(run.config, PurifyConfig) and model != RECEIVED:
        own = {name.partition(".")[2]: value for name, value in flat(run.config).items()
               if name.startswith(f"{model}.")}
        lines += [f"- Purified by: {model}, {run.config.steps} steps on "
                  f"{results['clean_images']} clean images; settings `{json.dumps(own)}`"]
    lines += [f"- Made on: {manifest.get('device')}, {manifest.get('instructions')}, threads "
              f"{manifest.get('threads')}; {manifest['versions']}",
              f"- Command: `{command_line(run.config)}`", "",
              "| | received | this model |", "|---|---|---|"]
    before, after = Evaluation.from_json(received).rates(), Evaluation.from_json(entry).rates()
    for name in ("acc", "asr", "ra"):
        row = [f"{rates[name].percent()} of {rates[name].n}" if name in rates else "not measured"
               for rates in (before, after)]
        lines.append(f"| {name.upper()} | {row[0]} | {row[1]} |")
    lines += ["", "ACC: clean test images answered rightly. ASR: triggered test images answered as "
              "the attacker wants. RA: triggered test images answered rightly.", ""]
    return "\n".join(lines)


def _doubts(run: Run, store: RunStore) -> list[str]:
    """What was doubted of a model when it was taken in; nothing where that run is gone."""
    try:
        taken = run if run.kind == "import" else store.get(run.manifest["source"] or "")
    except RunError:
        return []
    doubts: list[str] = taken.results.get("doubts") or []
    return doubts


def write(files: dict[str, bytes], folder: Path) -> list[Path]:
    """The files, written into a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in files]
