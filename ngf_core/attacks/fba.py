"""FBA (DFST, Cheng et al. 2021, arXiv 2012.11212), lite: a light over the whole picture."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.attacks.attack import Attack, Parameter, rounded, to_uint8
from ngf_core.attacks.control import Control, Poisoned
from ngf_core.attacks.generator import Autoencoder, in_parts, learned, restore, seeded
from ngf_core.data.dataset import Images
from ngf_core.errors import ConfigError

BATCH, SAMPLE = 64, 512


@dataclass(frozen=True)
class FBA(Attack):
    """A feature-space attack: a style of the whole picture, hardened by controlled detoxification.

    DFST takes its style ("sunrise") from a downloaded network. The stand-in here, hence the name
    DFST-lite, is a formula: style(x) bends each channel by a tone curve of its own and lays a
    smooth coloured light over the picture, all from the seed; alpha of it is blended in.

    Controlled detoxification is as in the paper: `rounds` times in mid-training, find the 1 %
    of the inner features (at least one) that differ most between clean and triggered images, train
    a small network that excites just these, and include its pictures *with their true labels* from
    then on (`detox_share` of the set), so that the model must detect the style by deeper features.
    The networks are kept in `learned`; the trigger does not need them. Poisoned and detox images
    are redrawn every epoch.

    Opacity alpha, the 1 % and the loss are the paper's; the style is ours, and so are the rounds,
    the share and the steps, which the paper fits to its own data. `default` halves the steps of a
    round and keeps detox pictures within 16 levels of the original: changed more freely they no
    longer show their class. (Within 64 levels a model trained on the signs for 8 epochs gave 4 %
    of the last round's pictures their true label.)
    """

    title: ClassVar[str] = "FBA (DFST-lite)"
    reference: ClassVar[str] = "Cheng, Liu, Ma, Zhang 2021, arXiv 2012.11212"
    formula: ClassVar[str] = (r"x' = (1-\alpha)\,x + \alpha\,\mathrm{style}(x), \; "
                              r"\mathrm{style}(x) = 255\,[(1-m)(x/255)^{\gamma} + m\,c]")
    redrawn_each_epoch: ClassVar[bool] = True
    cover_of_all: ClassVar[str] = "detox_share"
    strengths: ClassVar = {
        "default": {"alpha": 0.6, "tone": 0.2, "light": 0.7, "rounds": 2, "detox_share": 0.08,
                    "reach": 16, "detox_steps": 100},
        "published": {"alpha": 0.6, "tone": 0.2, "light": 0.7, "rounds": 2, "detox_share": 0.08,
                      "reach": 255, "detox_steps": 200},
    }
    knobs: ClassVar = {
        "alpha": Parameter("share of the style", 0.0, 1.0, 0.05),
        "tone": Parameter("bend of the tone curves: the largest |log gamma|", 0.0, 1.5, 0.05),
        "light": Parameter("opacity of the light where it is brightest", 0.0, 1.0, 0.05),
        "rounds": Parameter("rounds of detoxification", 0, 4, 1),
        "detox_share": Parameter("share of detox pictures in the set", 0.0, 0.5, 0.02),
        "reach": Parameter("how far detox pictures may differ, in levels of 255", 8, 255, 1),
        "detox_steps": Parameter("steps of training a detox network", 1, 1000, 1),
    }

    @property
    def gamma(self) -> Tensor:
        """The exponents of the tone curves, (C, 1, 1): each visibly darkens or brightens."""
        generator = torch.Generator().manual_seed(self.seed)
        channels = self.shape[0]
        size = 0.5 + 0.5 * torch.rand(channels, 1, 1, generator=generator)
        sign = 2.0 * torch.randint(2, (channels, 1, 1), generator=generator) - 1
        return (self.parameters["tone"] * size * sign).exp()

    @property
    def light(self) -> tuple[Tensor, Tensor]:
        """Opacity m of the light, (1, H, W) in [0, `light`], and its colour c, (C, 1, 1).

        m is a random 3 x 3 grid enlarged bilinearly; c has one channel at 1 and one at 0.
        """
        generator = torch.Generator().manual_seed(self.seed + 1)
        grid = torch.rand(1, 1, 3, 3, generator=generator)
        grid = (grid - grid.min()) / (grid.max() - grid.min())
        field = F.interpolate(grid, self.shape[1:], mode="bilinear", align_corners=True)[0]
        order = torch.randperm(self.shape[0], generator=generator)
        colour = torch.linspace(1, 0, self.shape[0])[order]
        return self.parameters["light"] * field, colour[:, None, None]

    def style(self, x: Tensor) -> Tensor:
        """style(x) in levels 0..255, float."""
        opacity, colour = (each.to(x.device) for each in self.light)
        bent = (x.float() / 255) ** self.gamma.to(x.device)
        return 255 * ((1 - opacity) * bent + opacity * colour)

    def trigger(self, x: Tensor) -> Tensor:
        alpha = self.parameters["alpha"]
        return to_uint8((1 - alpha) * x.float() + alpha * self.style(x))

    def new_network(self, seed: int) -> nn.Module:
        """An untrained detox network, 14 thousand parameters at three channels."""
        channels = self.shape[0]
        return seeded(lambda: Autoencoder(channels, channels, 8, 2, skips=True), seed)

    @cached_property
    def networks(self) -> list[nn.Module]:
        """The detox networks of the rounds so far."""
        names = sorted({key.split(".")[0] for key in self.learned})
        return [restore(self.new_network(0), name, self.learned) for name in names]

    def excite(self, network: nn.Module, x: Tensor) -> Tensor:
        """Levels 0..255 as floats with gradients: x changed by the network by at most `reach`."""
        return rounded(x.float() + self.parameters["reach"] * torch.tanh(network(x / 255 - 0.5)))

    def control(self, images: Images, generator: torch.Generator, epochs: int,
                device: torch.device) -> Control:
        return Detoxification(self, images, generator, epochs, device)


class Detoxification(Control):
    """Draws poison and detox images each epoch; before some epochs trains a new detox network.

    Round r of R takes place before epoch r * epochs / (R + 2), counted from 0, so that the longest
    part of the training remains for learning from the last round's pictures.
    """

    attack: FBA

    def __init__(self, attack: FBA, images: Images, generator: torch.Generator, epochs: int,
                 device: torch.device) -> None:
        super().__init__(attack, images, generator)
        rounds = int(attack.parameters["rounds"])
        self.rounds = {max(1, epochs * r // (rounds + 2)) for r in range(1, rounds + 1)}
        self.device = device

    def epoch(self, number: int, model: nn.Module) -> Poisoned:
        poisoned = super().epoch(number, model)
        if number in self.rounds:
            self._learn(model)
        networks = self.attack.networks
        if not networks:
            return poisoned
        free = torch.ones(len(self.images), dtype=torch.bool)
        free[poisoned.indices] = False
        free = free.nonzero().flatten()
        count = min(round(self.attack.parameters["detox_share"] * len(self.images)), len(free))
        cover = free[torch.randperm(len(free), generator=self.generator)[:count]]
        for network, rows in zip(networks, cover.tensor_split(len(networks)), strict=True):
            if len(rows):
                poisoned.images.x[rows] = self._detox(network, self.images.x[rows])
        return Poisoned(poisoned.images, poisoned.indices, cover.sort().values)

    def _detox(self, network: nn.Module, x: Tensor) -> Tensor:
        network.to(self.device)
        return in_parts(lambda part: to_uint8(self.attack.excite(network, part.to(self.device))
                                              ).cpu(), x)

    def _learn(self, model: nn.Module) -> None:
        """A new detox network for the features that the style compromises in the model now."""
        training = model.training
        model.eval()
        network = train_detox(self.attack, model, self.images, self.generator, self.device)
        model.train(training)
        name = f"detox{len(self.attack.networks)}"
        self.attack = self.attack.with_learned(
            {**self.attack.learned, **learned(**{name: network})})


def train_detox(attack: FBA, model: nn.Module, images: Images, generator: torch.Generator,
                device: torch.device) -> nn.Module:
    """A network whose pictures excite the compromised features of the model, itself unchanged.

    Minimises cross-entropy to the target - 0.1 SSIM - 0.3 mean compromised activation by Adam at
    0.01, the paper's loss.
    """
    victims = attack.candidates(images.y)
    sample = victims[torch.randperm(len(victims), generator=generator)[:SAMPLE]]
    clean = images.x[sample].to(device)
    chosen = compromised(inner_features(model, clean)[0],
                         inner_features(model, attack.trigger(clean))[0])
    seed = int(torch.randint(2**31, (1,), generator=generator))
    network = attack.new_network(seed).to(device).train()
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(int(attack.parameters["detox_steps"])):
        rows = victims[torch.randint(len(victims), (BATCH,), generator=generator)]
        x = images.x[rows].to(device)
        made = attack.excite(network, x) / 255
        features, scores = inner_features(model, made, gradients=True)
        wanted = attack.target_labels(images.y[rows].to(device))
        loss = (F.cross_entropy(scores, wanted) - 0.1 * ssim(made, x / 255)
                - 0.3 * features[:, chosen].mean())
        parameters = list(network.parameters())
        # Gradients of the network alone: none may be left in the model.
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters),
                                       strict=True):
            parameter.grad = gradient
        optimiser.step()
    return network.eval()


def compromised(clean: Tensor, triggered: Tensor, share: float = 0.01) -> Tensor:
    """The `share` of the features, at least one, whose means over the images differ most.

    Both are (n, features); returns indices, the most different first.
    """
    change = (triggered.mean(0) - clean.mean(0)).abs()
    return change.topk(max(1, round(share * len(change)))).indices


def inner_features(model: nn.Module, x: Tensor, gradients: bool = False) -> tuple[Tensor, Tensor]:
    """The inputs of any network's last linear layer, (n, features), and the network's scores.

    Raises ConfigError where the network has no linear layer.
    """
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ConfigError("arch", "has no linear layer, whose inputs FBA takes as the features",
                          "Choose another architecture or another attack.")
    seen = []
    hook = linear[-1].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    try:
        with torch.set_grad_enabled(gradients):
            scores = model(x)
    finally:
        hook.remove()
    return seen[0].flatten(1), scores


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Mean structural similarity of two batches in [0, 1], in 7 x 7 windows (Wang et al. 2004)."""
    def mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 7, 1)

    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    return (((2 * mean_a * mean_b + c1) * (2 * covariance + c2))
            / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean()
