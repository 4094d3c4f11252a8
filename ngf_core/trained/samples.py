"""Test images of a trained model's data set: a few to be shown, some to measure on."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ngf_core.attacks.attack import Attack
from ngf_core.data.dataset import Dataset, Images
from ngf_core.data.floats import as_floats
from ngf_core.evaluate.test_set import Triggered, predict


def samples(dataset: Dataset, attack: Attack | None, given: Triggered | None = None, count: int = 8
            ) -> dict[str, np.ndarray]:
    """The first test image of each class that the attack would change: clean, triggered, labels.

    Fixed by the data alone, so that none is hand-picked. Where triggered images were given, the
    first ones stand beside clean images of the same class, since the images they were made from are
    unknown.
    """
    if given is not None:
        return _beside_given(dataset.test, given, count)
    test = dataset.test
    usable = torch.ones(len(test), dtype=torch.bool) if attack is None else attack.victims(test.y)
    first = [int((usable & (test.y == c)).nonzero()[0]) for c in range(dataset.classes)
             if bool((usable & (test.y == c)).any())]
    chosen = test.take(torch.tensor(first[:count]))
    arrays = {"clean": chosen.x.numpy(), "labels": chosen.y.numpy()}
    if attack is not None:
        arrays["triggered"] = attack.trigger(chosen.x).numpy()
        arrays["targets"] = attack.target_labels(chosen.y).numpy()
    return arrays


def _beside_given(test: Images, given: Triggered, count: int) -> dict[str, np.ndarray]:
    """One given image per known class, the first `count` where no class is known."""
    labels = given.images.y
    classes = [int(label) for label in labels.unique() if label >= 0 and (test.y == label).any()]
    if classes:
        rows = torch.tensor([int((labels == c).nonzero()[0]) for c in classes[:count]])
        clean = torch.tensor([int((test.y == c).nonzero()[0]) for c in classes[:count]])
    else:
        rows = torch.arange(min(count, len(labels), len(test)))
        clean = rows
    return {"clean": test.x[clean].numpy(), "labels": test.y[clean].numpy(),
            "triggered": given.images.x[rows].numpy(), "targets": given.wanted[rows].numpy()}


def says(model: nn.Module, shown: dict[str, np.ndarray]) -> dict[str, list]:
    """[[label, confidence], ...] of the model for the clean and the triggered sample images."""
    answers: dict[str, list] = {}
    for part in ("clean", "triggered"):
        if part in shown:
            top = predict(model, torch.from_numpy(shown[part])).max(1)
            answers[part] = [[int(label), round(float(p), 4)]
                             for p, label in zip(top.values, top.indices, strict=True)]
    return answers


@dataclass(frozen=True)
class Drawn:
    """Test images drawn at random: clean ones of all classes, and triggered ones of victims.

    triggered: with their true labels, -1 where one is unknown; wanted: the attacker's labels, (n,).
    originals: the triggered images without their trigger, uint8 (n, C, H, W); None where triggered
    images were given. All three are None where there is no trigger.
    """

    clean: Images
    triggered: Images | None = None
    wanted: Tensor | None = None
    originals: Tensor | None = None


def draw(dataset: Dataset, attack: Attack | None, count: int, seed: int,
         given: Triggered | None = None) -> Drawn:
    """`count` random clean test images and, under an attack, as many random victims with its
    trigger, or as many of the given triggered images; fewer where there are fewer."""
    generator = torch.Generator().manual_seed(seed)
    test = dataset.test
    clean = test.take(torch.randperm(len(test), generator=generator)[:count])
    if given is not None:
        rows = torch.randperm(len(given.wanted), generator=generator)[:count]
        return Drawn(clean, given.images.take(rows), given.wanted[rows])
    if attack is None:
        return Drawn(clean)
    victims = attack.victims(test.y).nonzero()[:, 0]
    chosen = test.take(victims[torch.randperm(len(victims), generator=generator)[:count]])
    return Drawn(clean, Images(attack.trigger(chosen.x), chosen.y), attack.target_labels(chosen.y),
                 chosen.x)


def held_out(dataset: Dataset, attack: Attack | None, count: int, seed: int, where: torch.device,
             given: Triggered | None = None) -> dict[str, tuple[Tensor, Tensor]]:
    """`count` random test images as {"clean": (x, y)} and, under an attack, {"triggered": ...}.

    x is float in [0, 1]. Triggered images are victims and carry the label the attacker wants, so
    that their loss is low where the backdoor works.
    """
    drawn = draw(dataset, attack, count, seed, given)
    sets = {"clean": (drawn.clean.x, drawn.clean.y)}
    if drawn.triggered is not None and drawn.wanted is not None:
        sets["triggered"] = (drawn.triggered.x, drawn.wanted)
    return {name: (as_floats(x.to(where)), y.to(where)) for name, (x, y) in sets.items()}


def held_out_sets(dataset: Dataset, count: int, sets: int, seed: int
                  ) -> list[tuple[Tensor, Tensor]]:
    """`sets` disjoint sets of `count` random test images (uint8) and labels; the first is that of
    `held_out`. Fewer sets where the test images do not suffice, but at least one.
    """
    order = torch.randperm(len(dataset.test), generator=torch.Generator().manual_seed(seed))
    parts = [part for part in order.split(count)[:sets] if len(part) == count] or [order]
    return [(drawn.x, drawn.y) for drawn in map(dataset.test.take, parts)]
