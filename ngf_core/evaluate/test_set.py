"""Evaluating a model on clean and triggered test images."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ngf_core.attacks.attack import Attack
from ngf_core.data.dataset import Images
from ngf_core.errors import ConfigError
from ngf_core.evaluate.rates import Evaluation, Rate
from ngf_core.evaluate.stamped import Stamped

BATCH = 250
# Bytes up to which triggered test images are kept, so that a race does not stamp them again for
# each evaluation. Those of Tiny-ImageNet take 122 MB, those of ImageNet 7.5 GB.
KEPT = 256_000_000


@dataclass(frozen=True)
class TestSet:
    """Clean test images and, under an attack, its victims with trigger, true and wanted labels.

    Triggered images of more than `KEPT` bytes are not held: they are made batch by batch.
    """

    __test__ = False

    clean: Images
    triggered: Images | Stamped | None
    wanted: Tensor | None


@dataclass(frozen=True)
class Triggered:
    """Triggered images that were given, uint8 (n, C, H, W), not made here.

    labels: the true label of each, -1 where it is unknown. wanted: the label the attacker wants.
    """

    images: Images
    wanted: Tensor

    def to_arrays(self) -> dict[str, np.ndarray]:
        """As kept with a run."""
        return {"x": self.images.x.numpy(), "labels": self.images.y.numpy(),
                "wanted": self.wanted.numpy()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Triggered":
        """What `to_arrays` wrote."""
        x, labels, wanted = (torch.from_numpy(arrays[name]) for name in ("x", "labels", "wanted"))
        return cls(Images(x, labels), wanted)


def build_test_set(test: Images, attack: Attack | None, given: Triggered | None = None) -> TestSet:
    """The test images, and those that are given, or every one whose label the attack would change
    (so not the target class) with the attack's trigger."""
    if given is not None:
        return TestSet(test, given.images, given.wanted)
    if attack is None:
        return TestSet(test, None, None)
    stamped = Stamped(test, attack.victims(test.y).nonzero()[:, 0], attack)
    kept = Images(stamped.x, stamped.y) if stamped.nbytes <= KEPT else stamped
    return TestSet(test, kept, attack.target_labels(stamped.y))


def evaluate(model: nn.Module, test: TestSet) -> Evaluation:
    """ACC, and ASR and RA where there is an attack; the model's mode is restored afterwards."""
    triggered = None if test.triggered is None else answers(model, test.triggered)
    return rates_of(test, predict(model, test.clean.x), triggered)


def rates_of(test: TestSet, clean: Tensor, triggered: Tensor | None) -> Evaluation:
    """The rates of a model whose probabilities or logits (n, classes) are known.

    RA is None where the true label of a given triggered image is unknown (-1).
    """
    acc = _hits(clean.argmax(1).cpu(), test.clean.y)
    if triggered is None or test.triggered is None or test.wanted is None:
        return Evaluation(acc, None, None)
    predicted = triggered.argmax(1).cpu()
    known = bool((test.triggered.y >= 0).all())
    return Evaluation(acc, _hits(predicted, test.wanted),
                      _hits(predicted, test.triggered.y) if known else None)


def answers(model: nn.Module, images: Images | Stamped) -> Tensor:
    """`predict` for images that may have to be made first."""
    if isinstance(images, Stamped) and len(images):
        return _predicted(model, images.batches(BATCH))
    return predict(model, images.x)


def predict(model: nn.Module, x: Tensor, batch_size: int = BATCH) -> Tensor:
    """Probabilities (n, classes) on the CPU, in eval mode without gradients."""
    if not len(x):
        raise ConfigError("images", "there are none", "Give at least one image.")
    return _predicted(model, x.split(batch_size))


def _predicted(model: nn.Module, parts: Iterable[Tensor]) -> Tensor:
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            found = [model(part.to(device, memory_format=torch.channels_last)).softmax(1).cpu()
                     for part in parts]
    finally:
        model.train(training)
    return torch.cat(found)


def _hits(predicted: Tensor, wanted: Tensor) -> Rate:
    return Rate(int((predicted == wanted).sum()), len(wanted))
