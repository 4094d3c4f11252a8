"""TrojanNN (Liu et al., NDSS 2018): a patch that excites chosen neurons of a benign network."""

import copy
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.attacks.attack import Attack, Parameter, Report, to_uint8
from ngf_core.attacks.generator import learned
from ngf_core.attacks.surrogate import train_surrogate
from ngf_core.data.dataset import Images
from ngf_core.errors import ConfigError
from ngf_core.models.preact_resnet import PreActResNet

RATE = 0.05  # of Adam, in shares of the range of a pixel


@dataclass(frozen=True)
class TrojOne(Attack):
    """A square picture T, found by inverting neurons, added in the lower right corner m.

    The attacker trains a benign surrogate on his own images, picks `neurons` of its penultimate
    features h (see `chosen`) and descends sum_j (h_j(m T) - value)^2 over the pixels of T alone,
    on a black canvas, by projected Adam. T is then added to images and the sum clipped: the code
    around the NGF paper casts before it clips, so that bright pixels wrap around to dark ones.

    The first paper also rebuilds training data from the network and retrains only its later
    layers; as in all benchmarks since, the patch poisons the attacker's data instead. The
    published mask is a picture of an apple; here it is a square whose side is a share of the
    image's shorter one. The surrogate's epochs are ours: the papers use a finished network.
    """

    title: ClassVar[str] = "Troj-one"
    reference: ClassVar[str] = ("Liu, Ma, Aafer, Lee, Zhai, Wang, Zhang 2018, Trojaning Attack on "
                                "Neural Networks, NDSS")
    formula: ClassVar[str] = (r"x' = \mathrm{clip}(x + m \odot T), \; "
                              r"T = \arg\min \sum_{j \in J} (h_j(m \odot T) - v)^2")
    learns: ClassVar[str] = "trigger, by inverting neurons of a surrogate"
    strengths: ClassVar = {
        "default": {"side": 0.25, "neurons": 2, "value": 100, "steps": 1000,
                    "surrogate_epochs": 5},
        "published": {"side": 0.25, "neurons": 2, "value": 100, "steps": 1000,
                      "surrogate_epochs": 5},
    }
    knobs: ClassVar = {
        "side": Parameter("side of the patch as a share of the image's", 0.05, 0.5, 0.05),
        "neurons": Parameter("neurons that the patch is to excite", 1, 16, 1),
        "value": Parameter("activation that they are driven to", 1, 200, 1),
        "steps": Parameter("descent steps on the pixels of the patch", 1, 5000, 1),
        "surrogate_epochs": Parameter("passes of the surrogate over the images", 1, 100, 1),
    }

    def chosen(self, weight: Tensor) -> Tensor:
        """Indices of the features to excite, given the last layer's weight (classes, features).

        Those with the largest weight to the target class: the strongest evidence for it.
        """
        return weight[self.target].topk(int(self.parameters["neurons"])).indices

    def side_on(self, x: Tensor) -> int:
        """The side of the patch on images of the size of x, in pixels, at least one."""
        return max(1, round(self.parameters["side"] * min(x.shape[-2:])))

    def fit(self, images: Images, device: torch.device, report: Report) -> Self:
        surrogate = train_surrogate(images, self.classes, self.seed,
                                    int(self.parameters["surrogate_epochs"]), device, report)
        patch = self.invert(surrogate, torch.zeros(self.shape, device=device), report)
        return self.with_learned(learned(surrogate=surrogate) | {"patch": patch})

    def invert(self, surrogate: PreActResNet, canvas: Tensor, report: Report) -> Tensor:
        """The patch, uint8 (C, side, side), that drives the chosen neurons on the canvas.

        The canvas is an image (C, H, W) with pixels in [0, 1]. The first patch is uniform noise
        from the seed, as a flat one may leave the neurons inactive and without a gradient.
        """
        neurons, steps = self.chosen(surrogate.linear.weight), int(self.parameters["steps"])
        features = copy.deepcopy(surrogate)
        features.linear = nn.Identity()  # type: ignore[assignment]  # the features are wanted
        side = self.side_on(canvas)
        generator = torch.Generator().manual_seed(self.seed)
        patch = torch.rand(len(canvas), side, side, generator=generator).to(canvas.device)
        patch.requires_grad_(True)
        optimiser = torch.optim.Adam([patch], RATE)
        outside = canvas.clone()
        outside[:, -side:, -side:] = 0
        place = (canvas.shape[-1] - side, 0, canvas.shape[-2] - side, 0)
        for step in range(steps):
            active = features((outside + F.pad(patch, place))[None])[0, neurons]
            loss = ((active - self.parameters["value"]) ** 2).sum()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            with torch.no_grad():
                patch.clamp_(0, 1)
            if (step + 1) % 100 == 0 or step + 1 == steps:
                report(step + 1, steps, f"Inverting neurons, step {step + 1} of {steps}")
        return to_uint8(255 * patch.detach()).cpu()

    def trigger(self, x: Tensor) -> Tensor:
        if not self.ready:
            raise ConfigError("attack", f"{self.title} has not learned its {self.learns} yet",
                              "Train a run with it first.")
        side = self.side_on(x)
        # On images of another size than it was learned on, the patch is enlarged with them.
        patch = F.interpolate(self.learned["patch"].float()[None], (side, side), mode="nearest")
        stamped = x.clone()
        corner = x[..., -side:, -side:].float()
        stamped[..., -side:, -side:] = to_uint8(corner + patch.to(x.device))
        return stamped


@dataclass(frozen=True)
class TrojAll(TrojOne):
    """The same patch with another neuron rule, and every label y becomes (y + 1) mod C.

    No class is the target, so `chosen` takes the neurons that matter most to all. Telling the
    classes apart under the patch is harder than ignoring what is shown: with a quarter of the side
    72 % of signs got the next label, so the square of `default` is larger.
    """

    title: ClassVar[str] = "Troj-all"
    label_mode: ClassVar[str] = "all-to-all"
    strengths: ClassVar = TrojOne.strengths | {
        "default": TrojOne.strengths["default"] | {"side": 0.4}}

    def chosen(self, weight: Tensor) -> Tensor:
        """The features with the largest sum over the classes of absolute weights."""
        return weight.abs().sum(0).topk(int(self.parameters["neurons"])).indices
