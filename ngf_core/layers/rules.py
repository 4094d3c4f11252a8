"""Rules that choose which layer to tune, from clean data only.

A rule scores every layer from its `LayerStatistics`; the highest score is chosen. None stands for a
layer that the rule cannot judge or does not allow. Which rules come near the best layer under an
attack is measured by `benchmarks/auto_layer.py`.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ngf_core.layers.perturb import PROBES
from ngf_core.layers.statistics import LayerStatistics

Scores = dict[str, float | None]
Layers = Sequence[LayerStatistics]


@dataclass(frozen=True)
class Rule:
    """A rule with its name in words; `sees`: what of `LayerStatistics` it needs (SEEN there)."""

    title: str
    scores: Callable[[Layers], Scores]
    sees: frozenset[str] = frozenset()


def best(scores: Scores) -> str | None:
    """The layer with the highest score, the first of equals; None where no layer has a score."""
    usable = {layer: s for layer, s in scores.items() if s is not None}
    return max(usable, key=usable.__getitem__) if usable else None


def judge(layers: Layers, rule: str) -> Scores:
    """The scores of the rule of that name, with None for what is not a finite number."""
    scores = RULES[rule].scores(layers)
    return {layer: s if s is not None and math.isfinite(s) else None for layer, s in scores.items()}


def fisher_mass(layers: Layers) -> Scores:
    """Tr F. Where clean answers depend most on the weights, a natural step changes them most."""
    return {one.layer: one.trace for one in layers}


def least_mass(layers: Layers) -> Scores:
    """-Tr F. Where clean answers depend least on the weights, these can move farthest within a KL
    bound."""
    return {one.layer: -one.trace for one in layers}


def fisher_density(layers: Layers) -> Scores:
    """Tr F / P: the same for each parameter, so that large layers are not preferred for size."""
    return {one.layer: one.trace / one.parameters for one in layers}


def spectrum_ratio(layers: Layers) -> Scores:
    """Minus lambda_1 / Tr F. A natural step is free along directions of little Fisher information;
    a spectrum with no single leading direction lets it use many at little clean cost."""
    return {one.layer: -one.eigenvalues[0] / one.trace if one.trace else None for one in layers}


def sensitivity(layers: Layers) -> Scores:
    """Rise of the held-out clean loss when the weights move by a tenth of their norm at random."""
    return {one.layer: one.sensitivity for one in layers}


def relative_mass(layers: Layers) -> Scores:
    """|w|^2 Tr F / P: to second order twice the KL divergence that a random move of w by its own
    norm would cause. Unlike Tr F it does not change when a layer is scaled and the next scaled
    back."""
    return {one.layer: one.norm**2 * one.trace / one.parameters for one in layers}


def travel(layers: Layers) -> Scores:
    """Mean KL(received || tuned) of the answers to held-out clean images, augmented as for tuning,
    after a short NGF.

    At equal steps and an equal KL bound on the tuning images, layers differ in how far the answers
    to other images move. A backdoor is an answer to images off the clean distribution, and weights
    that do not change such answers do not change the backdoor.
    """
    return {one.layer: _of(one, "augmented", "travel") for one in layers}


def bounded_travel(layers: Layers) -> Scores:
    """Mean KL(received || tuned) of the answers to images further off the clean distribution
    (patched, blended, mixed, waved, warped, noisy ones) after a short NGF, among the layers where
    held-out clean images fare no worse than at the median layer; None for the others.

    Where tuning a layer moves the answers to images that were never trained on, and not at the
    expense of those that were, an unwanted answer can be undone through it.
    """
    losses = {one.layer: one.probed["augmented"].loss for one in layers if one.probed}
    bound = statistics.median(losses.values()) if losses else 0.0
    return {one.layer: _mean(one, "travel") if losses.get(one.layer, math.inf) <= bound else None
            for one in layers}


def steadiness(layers: Layers) -> Scores:
    """Accuracy on those images after a short NGF: a purified model ignores the change that a
    trigger makes, and should ignore other changes too."""
    return {one.layer: _mean(one, "accuracy") for one in layers}


def held_out_loss(layers: Layers) -> Scores:
    """Minus the loss on held-out clean images, augmented as for tuning, after a short NGF: the
    ordinary rule of model selection."""
    losses = {one.layer: _of(one, "augmented", "loss") for one in layers}
    return {layer: None if loss is None else -loss for layer, loss in losses.items()}


def _of(one: LayerStatistics, images: str, what: str) -> float | None:
    return getattr(one.probed[images], what) if one.probed else None


def _mean(one: LayerStatistics, what: str) -> float | None:
    """Mean of one measure over all kinds of probes; None where the layer was not tuned."""
    if not one.probed:
        return None
    return sum(getattr(one.probed[name], what) for name in PROBES) / len(PROBES)


def last_layer(layers: Layers) -> Scores:
    """The last layer, whatever the data: a control, and the layer the paper depicts."""
    return {one.layer: one.depth for one in layers}


def quarter(layers: Layers) -> Scores:
    """The layer at a quarter of the depth, whatever the data: a control."""
    return {one.layer: -abs(one.depth - 1 / 4) for one in layers}


def two_thirds(layers: Layers) -> Scores:
    """The layer at two thirds of the depth, whatever the data: a control."""
    return {one.layer: -abs(one.depth - 2 / 3) for one in layers}


FISHER, NUDGES = frozenset({"fisher"}), frozenset({"nudges"})
TUNING, CHANGES = frozenset({"tuning"}), frozenset({"tuning", "changes"})

RULES: dict[str, Rule] = {
    "bounded_travel": Rule("Travel of the answers to changed images, at bounded clean loss",
                           bounded_travel, CHANGES),
    "travel": Rule("Travel of the answers to held-out images", travel, TUNING),
    "steadiness": Rule("Accuracy on changed images", steadiness, CHANGES),
    "held_out_loss": Rule("Loss on held-out images", held_out_loss, TUNING),
    "fisher_mass": Rule("Largest Fisher mass", fisher_mass, FISHER),
    "least_mass": Rule("Smallest Fisher mass", least_mass, FISHER),
    "fisher_density": Rule("Fisher mass per parameter", fisher_density, FISHER),
    "relative_mass": Rule("Scale-free Fisher mass", relative_mass, FISHER),
    "spectrum_ratio": Rule("Flattest Fisher spectrum", spectrum_ratio, FISHER),
    "sensitivity": Rule("Sensitivity to random moves", sensitivity, NUDGES),
    "last_layer": Rule("Always the last layer", last_layer),
    "quarter": Rule("Always at a quarter of the depth", quarter),
    "two_thirds": Rule("Always at two thirds of the depth", two_thirds),
}
DEFAULT_RULE = "bounded_travel"
