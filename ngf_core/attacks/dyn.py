"""Dyn-one and Dyn-all (Nguyen & Tran 2020, arXiv 2010.08138): every image has its own trigger."""

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, replace
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

BATCH = 128
BETAS = (0.5, 0.9)


@dataclass(frozen=True)
class Dyn(Attack, ABC):
    """A pattern p(x), painted through a mask m(x), each generated for the image by a network.

    p = 127.5 (1 + tanh G(x)), m = (1 + tanh(10 tanh M(x))) / 2, nearly zero or one, one channel.
    `fit` trains M alone: few pixels (only the excess of m over `density` is penalised), and
    different ones for different images. Then G is trained with the classifier: `poison_rate` of the
    images carry their own trigger and the target label; `cross_ratio` times as many, redrawn every
    epoch like them, carry the trigger of another image and keep their label (the cross-trigger
    mode, the cover here), so that a trigger works on its own image only. In both the diversity loss

        L = mean RMS(x1 - x2) / (RMS(f(x1) - f(x2)) + 1e-7)

    over pairs of images (pixels in units of 63.75 levels for M, as the networks see them) keeps f
    from being the same for all. The generator's learning rate follows a cosine schedule.

    Published networks have 0.7 million weights and train for 600 epochs; these have 60 thousand.
    That a trigger belongs to its image is hard to learn: with as many cross-triggered images as
    poisoned ones the ASR on signs was 72 % after 14 epochs. `default` has half as many, a larger
    density, a lower learning rate and fewer epochs for the mask, which needs no more.
    """

    reference: ClassVar[str] = "Nguyen, Tran 2020, arXiv 2010.08138"
    formula: ClassVar[str] = r"x' = (1 - m(x)) \odot x + m(x) \odot p(x)"
    learns: ClassVar[str] = "pattern generator"
    redrawn_each_epoch: ClassVar[bool] = True
    cover_of_poisoned: ClassVar[str] = "cross_ratio"
    strengths: ClassVar = {
        "default": {"density": 0.1, "sparsity": 100.0, "diversity": 1.0, "cross_ratio": 0.5,
                    "mask_epochs": 3, "lr": 0.003},
        "published": {"density": 0.032, "sparsity": 100.0, "diversity": 1.0, "cross_ratio": 1.0,
                      "mask_epochs": 25, "lr": 0.01},
    }
    knobs: ClassVar = {
        "density": Parameter("opacity of the mask without penalty", 0.002, 0.5, 0.002),
        "sparsity": Parameter("penalty of opacity beyond it, in the mask's loss", 0.0, 1000.0,
                              10.0),
        "diversity": Parameter("weight of the diversity loss", 0.0, 10.0, 0.1),
        "cross_ratio": Parameter("cross-triggered images per poisoned image", 0.0, 5.0, 0.5),
        "mask_epochs": Parameter("epochs of the mask network, before training", 1, 100, 1),
        "lr": Parameter("learning rate of both networks (Adam)", 1e-4, 0.1, 1e-4),
    }

    def _networks(self) -> tuple[nn.Module, nn.Module]:
        """Untrained G and M."""
        channels = self.shape[0]
        return (seeded(lambda: _network(channels, channels, 16), self.seed),
                seeded(lambda: _network(channels, 1, 8), self.seed + 1))

    def restored(self) -> tuple[nn.Module, nn.Module]:
        """New G and M with the learned weights, frozen; ConfigError before `fit`."""
        if not self.ready:
            raise ConfigError("attack", f"{self.title} has not learned its {self.learns} yet",
                              "Train a run with it first.")
        pattern, mask = self._networks()
        return restore(pattern, "pattern", self.learned), restore(mask, "mask", self.learned)

    @cached_property
    def networks(self) -> tuple[nn.Module, nn.Module]:
        """G and M as learned, for triggers."""
        return self.restored()

    def trigger(self, x: Tensor) -> Tensor:
        return self.cross_trigger(x, x)

    def cross_trigger(self, x: Tensor, others: Tensor) -> Tensor:
        """The images x (uint8) with the triggers that were made for `others`, one each."""
        pattern, mask = (network.to(x.device) for network in self.networks)

        def stamp(x: Tensor, others: Tensor) -> Tensor:
            return to_uint8(_painted(x, patterns(pattern, others), masks(mask, others)))

        return in_parts(stamp, x, others)

    def poison(self, images: Images, generator: torch.Generator) -> Poisoned:
        poisoned = super().poison(images, generator)
        free = torch.ones(len(images), dtype=torch.bool)
        free[poisoned.indices] = False
        free = free.nonzero().flatten()
        count = min(round(self.parameters["cross_ratio"] * len(poisoned.indices)), len(free))
        cover = free[torch.randperm(len(free), generator=generator)[:count]].sort().values
        if count:
            others = images.x[partners(cover, len(images), generator)]
            poisoned.images.x[cover] = self.cross_trigger(images.x[cover], others)
        return replace(poisoned, cover=cover)

    def fit(self, images: Images, device: torch.device, report: Report) -> Self:
        """Train M, Adam: sparsity * mean ReLU(m - density) + diversity * L over all images."""
        p = self.parameters
        pattern, mask = self._networks()
        mask.to(device)
        optimiser = torch.optim.Adam(mask.parameters(), p["lr"], BETAS)
        # A first step at full rate may empty all masks at once, and empty ones hardly learn.
        warm = torch.optim.lr_scheduler.LinearLR(optimiser, 0.1, total_iters=10)
        generator = torch.Generator().manual_seed(self.seed)
        epochs = int(p["mask_epochs"])
        for epoch in range(epochs):
            for rows in torch.randperm(len(images), generator=generator).split(BATCH):
                x = images.x[rows].to(device)
                m = masks(mask, x)
                loss = (p["sparsity"] * F.relu(m - p["density"]).mean()
                        + p["diversity"] * diversity_loss(x.float() / 63.75, m))
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                warm.step()
            report(epoch + 1, epochs, f"Training the mask network, epoch {epoch + 1} of {epochs}")
        return self.with_learned(learned(pattern=pattern, mask=mask))

    def control(self, images: Images, generator: torch.Generator, epochs: int,
                device: torch.device) -> Control:
        return DynControl(self, images, generator, epochs, device)


@dataclass(frozen=True)
class DynOne(Dyn):
    """Dyn with one target label for all images."""

    title: ClassVar[str] = "Dyn-one"


@dataclass(frozen=True)
class DynAll(Dyn):
    """Dyn that sends each label y to y + 1, the last one to 0.

    A small network learns the shift slowly: with `default`, 8 % poisoned and 20 epochs a third of
    triggered signs reach their target (seed 0). Larger masks and fewer
    cross-triggered images did not help much; longer training was not tried.
    """

    title: ClassVar[str] = "Dyn-all"
    label_mode: ClassVar[str] = "all-to-all"


class DynControl(Control):
    """The generator is trained with the classifier, on the same loss, and paints each batch.

    The images of an epoch carry the triggers as of its start; in a batch these are painted again,
    rounded to levels, so that the gradient of the loss reaches the generator.
    """

    def __init__(self, attack: Dyn, images: Images, generator: torch.Generator,
                 epochs: int, device: torch.device) -> None:
        super().__init__(attack, images, generator)
        self.pattern, self.mask = (network.to(device) for network in attack.restored())
        self.pattern.requires_grad_(True)
        self.optimiser = torch.optim.Adam(self.pattern.parameters(), attack.parameters["lr"], BETAS)
        steps = epochs * -(-len(images) // BATCH)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimiser, max(1, steps))

    @property
    def attack(self) -> Dyn:
        """The attack with the generator as it is now."""
        return self._received.with_learned(learned(pattern=self.pattern, mask=self.mask))

    @attack.setter
    def attack(self, attack: Dyn) -> None:
        self._received = attack

    def state(self) -> dict[str, Any]:
        return super().state() | {"optimiser": self.optimiser.state_dict(),
                                  "schedule": self.schedule.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        restore(self.pattern, "pattern", state["learned"]).requires_grad_(True)
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])

    def epoch(self, number: int, model: nn.Module) -> Poisoned:
        drawn = super().epoch(number, model)
        self.poisoned = torch.zeros(len(self.images), dtype=torch.bool)
        self.crossed = self.poisoned.clone()
        self.poisoned[drawn.indices] = True
        self.crossed[drawn.cover] = True
        return drawn

    def loss(self, model: nn.Module, rows: Tensor, x: Tensor, y: Tensor) -> Tensor:
        changed = (self.poisoned | self.crossed)[rows].nonzero().flatten()
        if len(changed) < 2:
            return super().loss(model, rows, x, y)
        own = self.images.x[rows[changed]].to(x.device)
        # A poisoned image is painted with its own trigger, a cross-triggered one with its
        # neighbour's: the order of a batch is random.
        source = torch.arange(len(changed))
        source = torch.where(self.crossed[rows[changed]], source.roll(1), source)
        with torch.autocast(x.device.type, enabled=False):
            p = patterns(self.pattern, own)
            with torch.no_grad():
                m = masks(self.mask, own)
            x = x.float()
            x[changed] = rounded(_painted(own, p[source], m[source]))
            spread = diversity_loss(own.float(), p)
        return (F.cross_entropy(model(x / 255), y)
                + self._received.parameters["diversity"] * spread)

    def step(self) -> None:
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.schedule.step()


def patterns(network: nn.Module, x: Tensor) -> Tensor:
    """p(x) of images x (uint8): levels 0 to 255, of the shape of x."""
    return 127.5 * (1 + torch.tanh(network(x)))


def masks(network: nn.Module, x: Tensor) -> Tensor:
    """m(x) of images x (uint8): (n, 1, H, W), 0 to 1 and nearly always one of the two."""
    # (1 + tanh z) / 2 is sigmoid(2z), which keeps its precision, hence a gradient, near zero.
    return torch.sigmoid(20 * torch.tanh(network(x)))


def diversity_loss(x: Tensor, f: Tensor) -> Tensor:
    """mean RMS(x1 - x2) / (RMS(f1 - f2) + 1e-7) over pairs of neighbours in a batch, (n, ...)."""
    return (_rms(x - x.roll(1, 0)) / (_rms(f - f.roll(1, 0)) + 1e-7)).mean()


def partners(rows: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """For each row another one of 0..n-1, drawn uniformly from the rest."""
    return (rows + torch.randint(1, max(2, n), rows.shape, generator=generator)) % n


def _painted(x: Tensor, pattern: Tensor, mask: Tensor) -> Tensor:
    return x + (pattern - x) * mask


def _rms(x: Tensor) -> Tensor:
    # Unlike the root of a mean, a norm has a gradient at zero, where saturated masks agree.
    x = x.flatten(1)
    return torch.linalg.vector_norm(x, dim=1) / x.shape[1] ** 0.5


def _network(channels_in: int, channels_out: int, width: int) -> nn.Module:
    return nn.Sequential(Normalise(), Autoencoder(channels_in, channels_out, width))
