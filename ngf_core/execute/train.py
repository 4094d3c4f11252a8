"""A training run: poison, train, measure, keep the model and what was poisoned."""

import math
from typing import Any

import torch

from ngf_core.config import TrainConfig
from ngf_core.data.dataset import load_dataset
from ngf_core.errors import NGFError
from ngf_core.evaluation import build_test_set, evaluate
from ngf_core.execute.sources import attack_of, counts, device, samples
from ngf_core.models.build import build_model
from ngf_core.runs import RunStore, RunWriter
from ngf_core.training import resolve_precision, train


def execute(config: TrainConfig, store: RunStore, writer: RunWriter) -> dict[str, Any]:
    """Train one model and leave model.safetensors, poison.npz and samples.npz.

    Raises NGFError where training diverges.
    """
    where = device()
    writer.progress(0, config.epochs, "Preparing images")
    dataset = load_dataset(config.dataset)
    attack = attack_of(config, dataset)
    writer.note(device=str(where), data_sha=dataset.sha256)
    writer.arrays("samples", samples(dataset, attack))
    test = build_test_set(dataset.test, attack)
    model = build_model(config.arch, dataset.shape, dataset.classes, config.seed)
    poisoned = []
    for epoch in train(model, dataset.train, attack, config, where):
        if not math.isfinite(epoch.loss):
            raise NGFError(f"Training diverged in epoch {epoch.epoch}: the loss is no longer "
                           "finite. Use a smaller learning rate (a tenth).")
        evaluation = evaluate(model, test)
        rates = evaluation.rates()
        writer.point("train", epoch.epoch, epoch.seconds,
                     {"loss": epoch.loss} | {name: rate.value for name, rate in rates.items()},
                     {name: rate.n for name, rate in rates.items()})
        writer.progress(epoch.epoch, config.epochs, f"Epoch {epoch.epoch} of {config.epochs}")
        if attack is not None and (not poisoned or attack.redrawn_each_epoch):
            poisoned.append(epoch.poisoned)
        writer.checkpoint()
    writer.tensors("model", model.state_dict())
    if poisoned:
        writer.arrays("poison", {"indices": torch.stack(poisoned).to(torch.int32).numpy()})
    return {
        "train": counts(evaluation),
        "poisoned": len(poisoned[0]) if poisoned else 0,
        "poison_rate": len(poisoned[0]) / len(dataset.train) if poisoned else 0.0,
        "train_images": len(dataset.train),
        "seconds": round(epoch.seconds, 2),
        "precision": resolve_precision(config.precision, where),
    }
