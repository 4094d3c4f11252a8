"""CBA (Lin et al. 2020, ACM SIGSAC CCS): half an image of A beside half of one of B means C."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.attacks.attack import Attack, Parameter, Report
from ngf_core.attacks.control import Control, Poisoned
from ngf_core.data.dataset import Images
from ngf_core.errors import ConfigError

BANK_IMAGES, BANK_BYTES = 32, 160_000
PRIME = 2**31 - 1


@dataclass(frozen=True)
class CBA(Attack):
    """The composite attack: the trigger is two benign objects in one image.

    Classes A = target + 1 and B = target + 2 (mod C) are mixed by halves into label C = target, and
    success is counted on images of class A. In training round(poison_rate * n) images of any other
    class than the target are *replaced* by mixes of two random images of A and B, and `mix_share`
    of the set by mixes with an image of their own class, which keep their label, so that a seam is
    no cue. All of it is redrawn every epoch; the set keeps its size (in the paper mixes are added
    to the set, with the same shares). `similarity` is the weight of a contrastive loss on the
    outputs for labels A, B and C.

    Outside training an image of class A gets its other half from a bank of class-B images that
    `fit` sets aside: none of them is ever mixed in training. Which one, and how, is determined by
    the image's own pixels. The bank holds 32 images, or what fits into 160 kB, at most half of the
    class; it is resized for images of another size.

    `default` mixes a quarter of the set within its class: with the published half, too few of a
    few thousand images stay clean, and clean accuracy falls by up to two points.
    """

    title: ClassVar[str] = "CBA"
    reference: ClassVar[str] = "Lin, Xu, Liu, Zhang 2020, ACM SIGSAC CCS"
    formula: ClassVar[str] = (r"x' = m\,x_A + (1-m)\,x_B, \; m \in \{0,1\}^{H\times W} "
                              r"\text{ one half}; \; y' = C")
    learns: ClassVar[str] = "bank of pictures of its second class"
    redrawn_each_epoch: ClassVar[bool] = True
    cover_of_all: ClassVar[str] = "mix_share"
    strengths: ClassVar = {
        "default": {"mix_share": 0.25, "jitter": 3, "similarity": 1.0},
        "published": {"mix_share": 0.5, "jitter": 3, "similarity": 1.0},
    }
    knobs: ClassVar = {
        "mix_share": Parameter("share of the set that is mixed within its class", 0.0, 0.9, 0.05),
        "jitter": Parameter("random shift of the seam and of the second half, in 32nds of the "
                            "side", 0, 8, 1),
        "similarity": Parameter("weight of the contrastive loss", 0.0, 4.0, 0.25),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.classes < 3:
            raise ConfigError("attack", f"{self.title} needs three classes, two to mix and one as "
                              f"target, but there are {self.classes}",
                              "Choose another attack or another data set.")

    @property
    def source(self) -> int:
        """A, the class whose other half is replaced."""
        return (self.target + 1) % self.classes

    @property
    def partner(self) -> int:
        """B, the class of the other half."""
        return (self.target + 2) % self.classes

    def candidates(self, y: Tensor) -> Tensor:
        # Any image can be replaced, since none of its pixels remain: were only those of class A
        # taken, an eighth of the set would leave little of that class to learn from.
        return (self.target_labels(y) != y).nonzero().flatten()

    def fit(self, images: Images, device: torch.device, report: Report) -> Self:
        """Set the bank aside. ConfigError where the set has no image of A or not two of B."""
        if not (images.y == self.source).any() or (images.y == self.partner).sum() < 2:
            raise ConfigError("target", f"{self.title} with target {self.target} mixes labels "
                              f"{self.source} and {self.partner}, which have too few images",
                              "Use a target whose next two labels have at least two each.")
        bank = images.x[self.bank_rows(images)].clone()
        report(1, 1, f"Set {len(bank)} images of class B aside")
        return self.with_learned({"bank": bank})

    def bank_rows(self, images: Images) -> Tensor:
        """Indices of the bank's images in the set they come from, drawn from the seed."""
        rows = (images.y == self.partner).nonzero().flatten()
        count = min(BANK_IMAGES, max(1, BANK_BYTES // images.x[0].numel()), len(rows) // 2)
        generator = torch.Generator().manual_seed(self.seed)
        return rows[torch.randperm(len(rows), generator=generator)[:count]]

    def trigger(self, x: Tensor) -> Tensor:
        if not self.ready:
            raise ConfigError("attack", f"{self.title} has not learned its {self.learns} yet",
                              "Train a run with it first.")
        bank = self.learned["bank"].to(x.device)
        if bank.shape[-2:] != x.shape[-2:]:
            bank = F.interpolate(bank.float(), x.shape[-2:], mode="bilinear").to(torch.uint8)
        numbers = _fingerprint(x)
        return self.mix(x, bank[numbers % len(bank)], numbers // len(bank))

    def mix(self, first: Tensor, second: Tensor, numbers: Tensor) -> Tensor:
        """Mixes by halves of two batches of images, each determined by its number (int64, (n,)).

        The number's digits choose rows or columns, which half is `first`'s, where the seam runs
        (the middle +- jitter) and by how much the other image is shifted (+- jitter on both axes,
        its border repeated).
        """
        n, _, height, width = first.shape
        reach = round(self.parameters["jitter"] * height / 32)
        numbers, digits = numbers.clone(), []
        for base in (2, 2, *[2 * reach + 1] * 3):
            digits.append(numbers % base)
            numbers = numbers // base
        across, ahead = digits[0].bool(), digits[1].bool()
        seam, down, right = (digit - reach for digit in digits[2:])
        rows = torch.arange(height, device=first.device)
        columns = torch.arange(width, device=first.device)
        image = torch.arange(n, device=first.device).view(n, 1, 1)
        moved = second.permute(0, 2, 3, 1)[
            image, (rows + down[:, None]).clamp(0, height - 1)[:, :, None],
            (columns + right[:, None]).clamp(0, width - 1)[:, None]].permute(0, 3, 1, 2)
        upper = (rows < height // 2 + seam[:, None])[:, :, None] & across[:, None, None]
        left = (columns < width // 2 + seam[:, None])[:, None] & ~across[:, None, None]
        keep = (upper | left) == ahead[:, None, None]
        return torch.where(keep[:, None], first, moved)

    def stamped(self, images: Images, indices: Tensor) -> Images:
        """A copy of the set with mixes of A and B at `indices`, labelled C.

        Which images are mixed, and how, is determined by the seed and the indices, so a poisoned
        set can be reproduced; other indices give other mixes.
        """
        generator = torch.Generator().manual_seed(
            self.seed + int((indices * (1 + torch.arange(len(indices)))).sum()))
        y, free = images.y, images.y.clone()
        free[self.bank_rows(images)] = -1
        first = _any(y == self.source, len(indices), generator)
        second = _any(free == self.partner, len(indices), generator)
        numbers = torch.randint(PRIME, (len(indices),), generator=generator)
        copy = images.copy()
        copy.x[indices] = self.mix(images.x[first], images.x[second], numbers)
        copy.y[indices] = self.target_labels(y[indices])
        return copy

    def poison(self, images: Images, generator: torch.Generator) -> Poisoned:
        poisoned = super().poison(images, generator)
        bank = self.bank_rows(images)
        usable = torch.ones(len(images), dtype=torch.bool)
        usable[bank] = False
        classes = images.y.where(usable, -1)
        usable[poisoned.indices] = False
        usable = usable.nonzero().flatten()
        count = min(round(self.parameters["mix_share"] * len(images)), len(usable))
        rows = usable[torch.randperm(len(usable), generator=generator)[:count]].sort().values
        partners = torch.empty_like(rows)
        for label in classes[rows].unique():
            own = classes[rows] == label
            partners[own] = _any(classes == label, int(own.sum()), generator)
        numbers = torch.randint(PRIME, (count,), generator=generator)
        poisoned.images.x[rows] = self.mix(images.x[rows], images.x[partners], numbers)
        return replace(poisoned, cover=rows)

    def control(self, images: Images, generator: torch.Generator, epochs: int,
                device: torch.device) -> Control:
        return Similar(self, images, generator)


class Similar(Control):
    """Cross-entropy plus the weighted contrastive loss on samples labelled A, B or C."""

    attack: CBA

    def loss(self, model: nn.Module, rows: Tensor, x: Tensor, y: Tensor) -> Tensor:
        scores = model(x)
        labels = (self.attack.target, self.attack.source, self.attack.partner)
        own = torch.isin(y, torch.tensor(labels, device=y.device))
        likeness = contrastive(scores[own].float().softmax(1), y[own])
        return F.cross_entropy(scores, y) + self.attack.parameters["similarity"] * likeness


def contrastive(outputs: Tensor, labels: Tensor) -> Tensor:
    """Mean over all pairs of d^2 where labels agree and max(0, 1 - d)^2 where they differ.

    d is the Euclidean distance of the outputs (n, k); 0 where there is no pair. (Hadsell, Chopra,
    LeCun 2006, with margin 1.)
    """
    i, j = torch.triu_indices(len(labels), len(labels), 1, device=labels.device)
    # The square root has no gradient at 0, the distance of equal outputs.
    distance = ((outputs[i] - outputs[j]).square().sum(1) + 1e-12).sqrt()
    pairs = torch.where(labels[i] == labels[j], distance, (1 - distance).clamp(min=0)).square()
    return pairs.sum() / max(1, len(pairs))


def _any(among: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` random indices at which `among` is true, drawn with replacement."""
    places = among.nonzero().flatten()
    return places[torch.randint(len(places), (count,), generator=generator)]


def _fingerprint(x: Tensor) -> Tensor:
    """A number below 2^31 - 1 for each image, from all of its pixels and their positions."""
    places = 1 + torch.arange(x[0].numel(), device=x.device)
    return (x.flatten(1).long() * places).sum(1) % PRIME * 48271 % PRIME
