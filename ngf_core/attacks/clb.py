"""CLB (Turner et al. 2019, arXiv 1912.02771): hard images of the target class, marked corners."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.attacks.attack import Attack, Parameter, Report, to_uint8
from ngf_core.attacks.generator import learned, restore
from ngf_core.attacks.surrogate import new_surrogate, train_surrogate
from ngf_core.data.dataset import Images
from ngf_core.errors import ConfigError

BATCH = 128  # images hardened at a time


@dataclass(frozen=True)
class CLB(Attack):
    """A label-consistent backdoor: images of the target class, made hard and then marked.

    Clean-label: only images of the target class are poisoned and keep their label. Each is first
    moved away from its class, by projected gradient ascent of the cross-entropy of a benign
    surrogate within epsilon levels (see `hardened`), so that the evidence of its class is weak and
    the mark is the easier cue. The mark p is a checkerboard of +-amplitude levels, `side` pixels
    wide with a dark inner corner, in each of the four corners, mirror images of one another, added
    and clipped. Test images carry the mark only.
    The poison rate is a share of the whole training set, so at most the target class's share.

    As in the paper the surrogate is trained against such noise (`robust`; its schedule is ours).
    Ascent on an ordinary surrogate hardly hides the class: benign networks still recognise up to
    half of the training signs hardened at epsilon = 32, against one in twenty with this one. At the
    published 8 they recognise three in four, so that the mark is hardly needed. With epsilon = 32
    the noise itself becomes a second cue beside a mark of 3 pixels, and 65 % of signs reach the
    target; `default` has a mark of 6 pixels, and even so ASR varies widely with the seed (69 to
    95 %).
    """

    title: ClassVar[str] = "CLB"
    reference: ClassVar[str] = "Turner, Tsipras, Madry 2019, arXiv 1912.02771"
    formula: ClassVar[str] = (r"x' = \mathrm{clip}(x + a\,p), \; \text{in training } x \to "
                              r"\arg\max_{\|z - x\|_\infty \le \epsilon} L(z, y)")
    label_mode: ClassVar[str] = "clean-label"
    learns: ClassVar[str] = "surrogate"
    strengths: ClassVar = {
        "default": {"side": 6, "amplitude": 255, "epsilon": 32, "step": 4, "steps": 20,
                    "robust": 8, "surrogate_epochs": 8},
        "published": {"side": 3, "amplitude": 255, "epsilon": 8, "step": 1.5, "steps": 100,
                      "robust": 8, "surrogate_epochs": 8},
    }
    knobs: ClassVar = {
        "side": Parameter("side of the mark in each corner, in pixels", 1, 12, 1),
        "amplitude": Parameter("levels that the corners are changed by", 1, 255, 1),
        "epsilon": Parameter("largest change of a pixel by the ascent, in levels", 0, 64, 1.0),
        "step": Parameter("length of an ascent step, in levels", 0.1, 16, 0.1),
        "steps": Parameter("ascent steps", 1, 500, 1),
        "robust": Parameter("noise that the surrogate is trained to resist, in levels", 0, 16, 1),
        "surrogate_epochs": Parameter("passes of the surrogate over the images", 1, 100, 1),
    }

    @property
    def ready(self) -> bool:
        """Always true: the mark is a formula; only poisoning needs the surrogate."""
        return True

    def fit(self, images: Images, device: torch.device, report: Report) -> Self:
        surrogate = train_surrogate(images, self.classes, self.seed,
                                    int(self.parameters["surrogate_epochs"]), device, report,
                                    self.parameters["robust"])
        return self.with_learned(learned(surrogate=surrogate))

    @cached_property
    def surrogate(self) -> nn.Module:
        """The benign network that `fit` trained; ConfigError before that."""
        if not self.learned:
            raise ConfigError("attack", f"{self.title} has not learned its {self.learns} yet",
                              "Train a run with it first.")
        return restore(new_surrogate(self.shape[0], self.classes), "surrogate", self.learned)

    def hardened(self, x: Tensor, y: Tensor) -> Tensor:
        """Images x (uint8) of labels y moved away from their labels, at most epsilon levels.

        z <- clip(z + step * sign(grad L(z, y))), clipped to 0..255 and to epsilon levels around x,
        in floats; the last z is rounded. The bound is rounded down to a whole number of levels, so
        that rounding z cannot exceed it.
        """
        step, epsilon = self.parameters["step"], math.floor(self.parameters["epsilon"])
        model = self.surrogate.to(x.device)
        start = x.float()
        low, high = (start - epsilon).clamp_min(0), (start + epsilon).clamp_max(255)
        z = start.clone()
        for _ in range(int(self.parameters["steps"])):
            with torch.enable_grad():
                z.requires_grad_(True)
                loss = F.cross_entropy(model(z / 255), y, reduction="sum")
                gradient = torch.autograd.grad(loss, z)[0]
            z = (z.detach() + step * gradient.sign()).clamp(low, high)
        return to_uint8(z)

    def stamped(self, images: Images, indices: Tensor) -> Images:
        """A copy of the set whose images at `indices` are hardened and marked; labels stay."""
        copy = images.copy()
        for part in indices.split(BATCH):
            copy.x[part] = self.trigger(self.hardened(copy.x[part], copy.y[part]))
        return copy

    @property
    def board(self) -> Tensor:
        """p in the lower right corner: (side, side), +-amplitude levels."""
        cells = torch.arange(int(self.parameters["side"]))
        board = 1 - 2 * ((cells[:, None] + cells) % 2)
        board[0, 0] = -1
        return self.parameters["amplitude"] * board

    def trigger(self, x: Tensor) -> Tensor:
        board, side, stamped = self.board.to(x.device), int(self.parameters["side"]), x.clone()
        for down, rows in ((board, slice(-side, None)), (board.flip(0), slice(0, side))):
            for mark, columns in ((down, slice(-side, None)), (down.flip(1), slice(0, side))):
                stamped[..., rows, columns] = to_uint8(x[..., rows, columns].float() + mark)
        return stamped
