"""LIRA (Doan et al. 2021, ICCV): a learned, barely visible noise for every image."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.attacks.attack import Attack, Parameter, Report, rounded, to_uint8
from ngf_core.attacks.control import Control, Poisoned
from ngf_core.attacks.generator import Autoencoder, in_parts, learned, restore, seeded
from ngf_core.data.dataset import Images
from ngf_core.errors import ConfigError
from ngf_core.models.normalise import Normalise


@dataclass(frozen=True)
class LIRA(Attack):
    """The noise T(x), made by a network and at most epsilon of the range, is added to the image.

    The attacker controls training. Every victim enters a batch twice: as it is with its label,
    weight alpha, and triggered with the target label, weight 1 - alpha; `poison_rate` is ignored.
    Stage 1, the first `stage1` of the epochs: after each update of the classifier f a copy T' of
    the generator takes a step on the cross-entropy of f(x + T'(x)) to the target; T, which makes
    the triggers that f is trained on, becomes T' when the next epoch begins. Stage 2: T is frozen
    and f alone is trained. The noise is rounded to levels in both, so that what is learned survives
    being saved as a picture.

    `published` are the values of the benchmark's code (epsilon 0.01 is 2.55 levels; 50 epochs of
    stage 1 and 50 of stage 2, a learning rate of 1e-4). `default` has more noise and a higher
    learning rate, for a few hundred steps instead of tens of thousands, and clean images weigh
    more: at alpha 0.5 the trigger is learned at once and 8 % of the clean signs are lost after 12
    epochs. The generator has 12 thousand weights, published ones 0.35 million.
    """

    title: ClassVar[str] = "LIRA"
    reference: ClassVar[str] = "Doan, Lao, Zhao, Li 2021, ICCV, pages 11966-11976"
    formula: ClassVar[str] = r"x' = \mathrm{clip}(x + \varepsilon \tanh T(x))"
    learns: ClassVar[str] = "noise generator"
    rated: ClassVar[bool] = False
    strengths: ClassVar = {
        "default": {"epsilon": 0.05, "alpha": 0.8, "stage1": 0.3, "lr": 0.003},
        "published": {"epsilon": 0.01, "alpha": 0.5, "stage1": 0.5, "lr": 1e-4},
    }
    knobs: ClassVar = {
        "epsilon": Parameter("most noise on a pixel, as a share of 255 levels", 0.002, 0.3, 0.002),
        "alpha": Parameter("weight of the clean images in the loss", 0.05, 0.95, 0.05),
        "stage1": Parameter("share of the epochs in which the generator learns", 0.0, 1.0, 0.05),
        "lr": Parameter("learning rate of the generator (Adam)", 1e-5, 0.1, 1e-5),
    }

    def new_network(self) -> nn.Module:
        """The untrained generator."""
        channels = self.shape[0]
        return seeded(lambda: nn.Sequential(Normalise(), Autoencoder(channels, channels, 8)),
                      self.seed)

    @cached_property
    def network(self) -> nn.Module:
        """T as learned, frozen; ConfigError before `fit`."""
        if not self.ready:
            raise ConfigError("attack", f"{self.title} has not learned its {self.learns} yet",
                              "Train a run with it first.")
        return restore(self.new_network(), "noise", self.learned)

    def trigger(self, x: Tensor) -> Tensor:
        network = self.network.to(x.device)
        return in_parts(lambda part: to_uint8(self.noisy(network, part)), x)

    def noisy(self, network: nn.Module, x: Tensor) -> Tensor:
        """x + 255 epsilon tanh T(x) as float32 levels, neither clipped nor rounded yet."""
        noise = torch.tanh(network(x).float())
        return x.float() + 255 * self.parameters["epsilon"] * noise

    def fit(self, images: Images, device: torch.device, report: Report) -> Self:
        """The untrained generator; it is trained with the classifier."""
        return self.with_learned(learned(noise=self.new_network()))

    def control(self, images: Images, generator: torch.Generator, epochs: int,
                device: torch.device) -> Control:
        return LIRAControl(self, images, generator, epochs, device)


class LIRAControl(Control):
    """Trains classifier and generator alternately; an epoch's images carry its T's trigger."""

    attack: LIRA

    def __init__(self, attack: LIRA, images: Images, generator: torch.Generator, epochs: int,
                 device: torch.device) -> None:
        super().__init__(attack, images, generator)
        self.stage1 = round(attack.parameters["stage1"] * epochs)
        self.copy = restore(attack.new_network(), "noise", attack.learned).to(device)
        self.copy.requires_grad_(True)
        self.optimiser = torch.optim.Adam(self.copy.parameters(), attack.parameters["lr"])

    def state(self) -> dict[str, Any]:
        return super().state() | {"copy": self.copy.state_dict(),
                                  "optimiser": self.optimiser.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self.copy.load_state_dict(state["copy"])
        self.optimiser.load_state_dict(state["optimiser"])

    def epoch(self, number: int, model: nn.Module) -> Poisoned:
        self.learning = number < self.stage1
        if number <= self.stage1:
            self.attack = self.attack.with_learned(learned(noise=self.copy))
            self._poisoned = self._drawn()
        return self._poisoned

    def loss(self, model: nn.Module, rows: Tensor, x: Tensor, y: Tensor) -> Tensor:
        # One pass for both halves: BatchNorm's statistics are then those of the mixture met in use.
        alpha = self.attack.parameters["alpha"]
        clean = self.images.take(rows)
        victims = self.attack.victims(clean.y)
        own = clean.x.to(x)
        scores = model(torch.cat([own, x[victims]]))
        self.batch = model, own[victims], y[victims], torch.is_autocast_enabled(x.device.type)
        loss = alpha * F.cross_entropy(scores[: len(rows)], clean.y.to(y.device))
        if victims.any():
            loss = loss + (1 - alpha) * F.cross_entropy(scores[len(rows):], y[victims])
        return loss

    def step(self) -> None:
        model, x, y, bf16 = self.batch
        if not self.learning or not len(x):
            return
        model.eval()  # the trigger must work on the classifier as deployed
        with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
            scores = model(rounded(self.attack.noisy(self.copy, x)) / 255)
            loss = F.cross_entropy(scores, y)
        model.train()
        weights = list(self.copy.parameters())
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.grad = gradient
        self.optimiser.step()
