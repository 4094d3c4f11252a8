"""A training run: poison, train, measure, keep the model and the indices of the poisoned images."""

import math
import time
from typing import Any

import torch
from torch import Tensor

from ngf_core.attacks.attack import Attack, Report
from ngf_core.config import TrainConfig
from ngf_core.data.dataset import Images, prepare_dataset
from ngf_core.device import device
from ngf_core.errors import NGFError
from ngf_core.evaluate.test_set import TestSet, build_test_set, evaluate
from ngf_core.models.build import build_model
from ngf_core.models.pretrained import load_pretrained
from ngf_core.ranks.group import joined
from ngf_core.ranks.whole_batch import WholeBatch
from ngf_core.runs import RunStore, RunWriter
from ngf_core.runs.files import ATTACK, POISON, RECEIVED, SAMPLES, model_entry, model_file
from ngf_core.trained.load import attack_of, dataset_of
from ngf_core.trained.samples import samples
from ngf_core.training import resolve_precision, train

# Seconds between two kept epochs, and the most of the time that keeping them may take: epochs may
# last milliseconds, and the weights and momenta of a large network take seconds to write.
KEEP_EVERY, KEEP_SHARE = 5.0, 0.02


def execute(config: TrainConfig, store: RunStore, writer: RunWriter) -> dict[str, Any]:
    """Train one model and write model.safetensors, poison.npz and samples.npz.

    attack.safetensors holds what the attack learned, so that its trigger and its poisoned set can
    be rebuilt without training. Raises NGFError where training diverges.

    What an attack learned before training is kept as the part "fitted", and the state after an
    epoch as the part "epoch", so that a run that stopped goes on from there.
    """
    where, ranks = device(), joined()
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
    attack, fitting = _fitted(attack, dataset.train, where, report, writer)
    if ranks is not None and attack is not None:
        attack = attack.with_learned(ranks.agreed(dict(attack.learned)))
    earlier = writer.part("epoch") or {"training": None, "poisoned": [], "covered": []}
    poisoned: list[Tensor] = earlier["poisoned"]
    covered: list[Tensor] = earlier["covered"]
    kept, took = time.monotonic(), 0.0
    test: TestSet | None = None
    for epoch in train(model, dataset.train, attack, config, where, earlier["training"],
                       ranks):
        if not math.isfinite(epoch.loss):
            raise NGFError(f"Training diverged in epoch {epoch.epoch}: the loss is no longer "
                           "finite. Use a smaller learning rate (a tenth).")
        if test is None or epoch.attack is not attack:
            attack = epoch.attack
            test = build_test_set(dataset.test, attack)
            writer.arrays(SAMPLES, samples(dataset, attack))
        answering = model if ranks is None else WholeBatch(model, ranks, trained=False)
        evaluation = evaluate(answering, test)
        rates = evaluation.rates()
        seconds = writer.point("train", epoch.epoch, epoch.seconds, {"loss": epoch.loss} | {
            name: rate.value for name, rate in rates.items()},
            {name: rate.n for name, rate in rates.items()})
        writer.progress(epoch.epoch, config.epochs, f"Epoch {epoch.epoch} of {config.epochs}")
        if attack is not None and (not poisoned or attack.redrawn_each_epoch):
            poisoned.append(epoch.poisoned)
            covered.append(epoch.cover)
        began = time.monotonic()
        if epoch.epoch < config.epochs and began - kept >= max(KEEP_EVERY, took / KEEP_SHARE):
            writer.keep_part("epoch", {"training": epoch.state(), "poisoned": poisoned,
                                       "covered": covered})
            kept = time.monotonic()
            took = kept - began
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
        "seconds": round(seconds, 2),
        "fitting_seconds": round(fitting, 2),
        "precision": resolve_precision(config.precision, where),
    } | ({"weights_taken": len(loaded.taken), "weights_left": list(loaded.left)} if loaded else {})


def _fitted(attack: Attack | None, images: Images, where: torch.device, report: Report,
            writer: RunWriter) -> tuple[Attack | None, float]:
    """The attack with what it learns before training, and the seconds that took."""
    if attack is None:
        return None, 0.0
    fitted = writer.part("fitted")
    if fitted is not None:
        return attack.with_learned(fitted["learned"]), fitted["seconds"]
    started = time.perf_counter()
    attack = attack.fit(images, where, report)
    seconds = time.perf_counter() - started
    if attack.learned:
        writer.keep_part("fitted", {"learned": dict(attack.learned), "seconds": seconds})
    return attack, seconds
