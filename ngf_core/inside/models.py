"""The models of one run, shown the same clean and triggered images."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ngf_core.errors import ConfigError
from ngf_core.inside.channels import Shift, shift
from ngf_core.inside.confusion import confusion
from ngf_core.inside.features import Seen, last_convolution, layers_run, see
from ngf_core.inside.projection import PrincipalPlane, principal_plane
from ngf_core.inside.saliency import Share, share_on, smooth_grad, trigger_pixels
from ngf_core.inside.settings import Look
from ngf_core.runs.files import RECEIVED
from ngf_core.trained.load import TrainedModels
from ngf_core.trained.samples import Drawn, draw

CLEAN, TRIGGERED, ORIGINALS = "clean", "triggered", "originals"
# Images whose saliency is computed: each costs as many backward passes as SmoothGrad has copies.
SALIENT = 32


@dataclass(frozen=True)
class Inside:
    """What the models of a run make of the same images.

    images: uint8 (n, C, H, W) under "clean" and, where there is a trigger, "triggered" and,
    where they are known, "originals", the triggered ones without it. truth: their labels, -1 for
    unknown. wanted: the attacker's labels of the triggered images, else None. seen: by model and
    then like images. layers: those whose channels can be read, in the order in which they run;
    layer: the one that was.
    """

    images: Mapping[str, NDArray[np.uint8]]
    truth: Mapping[str, NDArray[np.int64]]
    wanted: NDArray[np.int64] | None
    seen: Mapping[str, Mapping[str, Seen]]
    class_names: tuple[str, ...]
    layers: tuple[str, ...]
    layer: str

    @property
    def models(self) -> tuple[str, ...]:
        """The models, the received one first."""
        return tuple(self.seen)

    @property
    def has_trigger(self) -> bool:
        """Whether there are triggered images."""
        return TRIGGERED in self.images

    def features(self, model: str) -> NDArray[np.float32]:
        """Those of all clean images, then of all triggered ones, (n + m, d)."""
        of = self.seen[model]
        return np.concatenate([of[part].features for part in (CLEAN, TRIGGERED) if part in of])

    def plane(self) -> PrincipalPlane:
        """The principal plane of the received model's features."""
        return principal_plane(self.features(RECEIVED))

    def same_features(self, model: str) -> bool:
        """Whether a model's features are the received model's, bit for bit: only its last layer was
        tuned."""
        return np.array_equal(self.features(model), self.features(RECEIVED))

    def confusion(self, model: str, part: str) -> NDArray[np.int64] | None:
        """Counts by true label and answer on the "clean" or "triggered" images; None where there
        are none whose true label is known."""
        if part not in self.images or not (self.truth[part] >= 0).any():
            return None
        return confusion(self.truth[part], self.seen[model][part].answers, len(self.class_names))

    def obeying(self, model: str) -> int:
        """How many triggered images get the attacker's label; 0 without any."""
        if self.wanted is None:
            return 0
        return int((self.seen[model][TRIGGERED].answers == self.wanted).sum())

    def shift(self, model: str) -> Shift | None:
        """How far the trigger moves each channel: against the same images without it, or else
        against the clean ones. None where there is no trigger."""
        of = self.seen[model]
        if TRIGGERED not in of:
            return None
        paired = ORIGINALS in of
        return shift(of[ORIGINALS if paired else CLEAN].channels, of[TRIGGERED].channels, paired)


@dataclass(frozen=True)
class Saliency:
    """SmoothGrad of the attacker's label on the first triggered images.

    maps: (n, H, W) by model. pixels: (H, W) where the trigger is a small region, else None, and
    then shares is empty.
    """

    maps: Mapping[str, NDArray[np.float32]]
    pixels: NDArray[np.bool_] | None
    shares: Mapping[str, Share]


def look_inside(trained: TrainedModels, look: Look) -> Inside:
    """Show `look.images` clean and triggered test images to every model of a run.

    Raises ConfigError as `see`.
    """
    drawn = _drawn(trained, look)
    shown = {CLEAN: drawn.clean.x}
    truth = {CLEAN: drawn.clean.y.numpy()}
    if drawn.triggered is not None:
        shown[TRIGGERED] = drawn.triggered.x
        truth[TRIGGERED] = drawn.triggered.y.numpy()
        if drawn.originals is not None:
            shown[ORIGINALS], truth[ORIGINALS] = drawn.originals, truth[TRIGGERED]
    order = layers_run(trained.models[RECEIVED], drawn.clean.x)
    if look.layer and look.layer not in order:
        raise ConfigError("layer", f"this network has no layer {look.layer!r}",
                          f"Choose one of {', '.join(order)}.")
    layer = look.layer or (last_convolution(trained.models[RECEIVED], order) if order else "")
    seen = {name: {part: see(model, x, layer) for part, x in shown.items()}
            for name, model in trained.models.items()}
    return Inside({part: x.numpy() for part, x in shown.items()}, truth,
                  None if drawn.wanted is None else drawn.wanted.numpy(), seen,
                  trained.dataset.class_names, tuple(order), layer)


def salient(trained: TrainedModels, look: Look) -> Saliency | None:
    """Saliency of the attacker's label on the first `SALIENT` triggered images of `look_inside`,
    for every model, with the same noise. None where there is no trigger."""
    drawn = _drawn(trained, look)
    if drawn.triggered is None or drawn.wanted is None:
        return None
    x, wanted = drawn.triggered.x[:SALIENT], drawn.wanted[:SALIENT]
    maps = {name: smooth_grad(model, x, wanted, seed=look.seed)
            for name, model in trained.models.items()}
    pixels = None if drawn.originals is None else trigger_pixels(drawn.originals,
                                                                 drawn.triggered.x)
    shares = {} if pixels is None else {name: share_on(of, pixels) for name, of in maps.items()}
    return Saliency({name: of.numpy() for name, of in maps.items()}, pixels, shares)


def _drawn(trained: TrainedModels, look: Look) -> Drawn:
    return draw(trained.dataset, trained.attack, look.images, look.seed, trained.given)
