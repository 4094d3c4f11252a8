"""A training run: poison, train, measure, keep the model and the indices of the poisoned images."""

import math
import time
from typing import Any

import torch

from ngf_core.config import TrainConfig
from ngf_core.data.dataset import prepare_dataset
from ngf_core.device import device
from ngf_core.errors import NGFError
from ngf_core.evaluate.test_set import build_test_set, evaluate
from ngf_core.models.build import build_model
from ngf_core.models.pretrained import load_pretrained
from ngf_core.runs import RunStore, RunWriter
from ngf_core.runs.files import ATTACK, POISON, RECEIVED, SAMPLES, model_entry, model_file
from ngf_core.trained.load import attack_of, dataset_of
from ngf_core.trained.samples import samples
from ngf_core.training import resolve_precision, train


def execute(config: TrainConfig, store: RunStore, writer: RunWriter) -> dict[str, Any]:
    """Train one model and write model.safetensors, poison.npz and samples.npz.

    attack.safetensors holds what the attack learned, so that its trigger and its poisoned set can
    be rebuilt without training. Raises NGFError where training diverges.
    """
    where = device()
    writer.progress(0, config.epochs, "Preparing images")

    def report(done: int, total: int, sentence: str = "Decoding images") -> None:
        writer.checkpoint()
        writer.progress(done, total, sentence)

    prepare_dataset(config.dataset, config.root, config.limit, config.size, report)
    dataset = dataset_of(config)
    attack = attack_of(config, dataset)
    if attack is not None:
        attack.check(dataset.train.y, dataset.test.y)
    writer.note(device=str(where), data_sha=dataset.sha256)
    # Before fitting, which may take minutes: a wrong file is reported at once.
    model = build_model(config.arch, dataset.shape, dataset.classes, config.seed)
    loaded = load_pretrained(model, config.arch, config.weights) if config.weights else None
    started = time.perf_counter()
    if attack is not None:
        attack = attack.fit(dataset.train, where, report)
    fitting = time.perf_counter() - started
    poisoned: list[Any] = []
    covered: list[Any] = []
    for epoch in train(model, dataset.train, attack, config, where):
        if not math.isfinite(epoch.loss):
            raise NGFError(f"Training diverged in epoch {epoch.epoch}: the loss is no longer "
                           "finite. Use a smaller learning rate (a tenth).")
        if epoch.epoch == 1 or epoch.attack is not attack:
            attack = epoch.attack
            test = build_test_set(dataset.test, attack)
            writer.arrays(SAMPLES, samples(dataset, attack))
        evaluation = evaluate(model, test)
        rates = evaluation.rates()
        writer.point("train", epoch.epoch, epoch.seconds,
                     {"loss": epoch.loss} | {name: rate.value for name, rate in rates.items()},
                     {name: rate.n for name, rate in rates.items()})
        writer.progress(epoch.epoch, config.epochs, f"Epoch {epoch.epoch} of {config.epochs}")
        if attack is not None and (not poisoned or attack.redrawn_each_epoch):
            poisoned.append(epoch.poisoned)
            covered.append(epoch.cover)
        writer.checkpoint()
    writer.tensors(model_file("train", RECEIVED), model.state_dict())
    if attack is not None:
        writer.arrays(POISON, {
            "indices": torch.stack(poisoned).to(torch.int32).numpy(),
            "cover": torch.cat(covered).to(torch.int32).numpy(),
            "cover_counts": torch.tensor([len(cover) for cover in covered]).numpy()})
        if attack.learned:
            writer.tensors(ATTACK, attack.learned)
    return {
        model_entry("train", RECEIVED): evaluation.to_json(),
        "parameters": attack.parameters if attack else {},
        "poisoned": len(poisoned[0]) if poisoned else 0,
        "poison_rate": len(poisoned[0]) / len(dataset.train) if poisoned else 0.0,
        "train_images": len(dataset.train),
        "class_names": list(dataset.class_names),
        "seconds": round(epoch.seconds, 2),
        "fitting_seconds": round(fitting, 2),
        "precision": resolve_precision(config.precision, where),
    } | ({"weights_taken": len(loaded.taken), "weights_left": list(loaded.left)} if loaded else {})
