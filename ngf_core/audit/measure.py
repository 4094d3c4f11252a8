"""Everything that is measured of one pair of models, as plain values.

Of the Hessian of the mean clean cross-entropy in evaluation mode, on the same images and probes for
both models. `as they are` compares the two as received; `matched` the second at the scale of logits
that makes its mean norm that of the first.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ngf_core.audit.logit_scale import likeness, logits, scaled_cross_entropy, size
from ngf_core.audit.plane import plane_of_both
from ngf_core.audit.rescaled_layer import before_batch_norm, rescaled
from ngf_core.audit.slope_check import curvature_by_slopes, off_by
from ngf_core.curvature.operators.memory import MEMORY
from ngf_core.curvature.pyhessian_check import POWER_STEPS, ROUNDOFF, leading
from ngf_core.curvature.sharpness import SHARPNESS, Reading, Subject
from ngf_core.curvature.sharpness.measure import measure_sharpness
from ngf_core.curvature.sharpness.reading import standard_error
from ngf_core.errors import NGFError

# Read again on other images and on the rescaled model.
FEW = ("lambda_max", "trace", "adaptive_lambda_max")
# A power of two, so that the rescaled weights and statistics are exact in any arithmetic.
FACTOR = 0.125
# A rescaled model whose logits differ by more has another function: rounding does far less.
SAME = 1e-4

Images = tuple[Tensor, Tensor]
Stage = Callable[[str], None]


@dataclass(frozen=True)
class Setting:
    """What all readings of a pair share.

    parameters: names of those in the Hessian, None for all. on_pass: called after every pass over
    the images; on_stage: with what is measured next.
    """

    parameters: Sequence[str] | None = None
    seed: int = 0
    memory: float = MEMORY
    on_pass: Callable[[], object] = lambda: None
    on_stage: Stage = lambda stage: None

    def subject(self, model: nn.Module, images: Images, scale: float = 1.0,
                dtype: torch.dtype = torch.float32) -> Subject:
        """The model on images, its logits times `scale`."""
        return Subject(model, images, loss=scaled_cross_entropy(scale), parameters=self.parameters,
                       seed=self.seed, memory=self.memory, dtype=dtype, on_pass=self.on_pass)


def measure_pair(before: nn.Module, after: nn.Module, images: Images, others: Sequence[Images],
                 setting: Setting) -> dict[str, Any]:
    """Measures, controls and evidence of convergence of a pair.

    images: x (n, C, H, W) float in [0, 1], and labels (n,). others: further sets of images.
    Raises NGFError for a model whose second forward derivative does not exist, and for one that
    gives all classes the same logit.
    """
    x, _ = images
    one, other = logits(before, x), logits(after, x)
    if not size(one) or not size(other):
        raise NGFError("One of the two models gives all classes the same logit for every image, so "
                       "it has no scale to match. Name a model that tells classes apart.")
    scale = size(one) / size(other)
    like = likeness(one, other)
    setting.on_stage("before")
    first = setting.subject(before, images)
    was = measure_sharpness(first)
    setting.on_stage("after")
    second = setting.subject(after, images)
    now = measure_sharpness(second)
    setting.on_stage("after, at the scale of logits of before")
    matched = measure_sharpness(setting.subject(after, images, scale))
    setting.on_stage("a random plane")
    plane = plane_of_both(before, after, images, parameters=setting.parameters, seed=setting.seed,
                          memory=int(setting.memory), on_point=setting.on_pass)
    return {
        "plane": plane,
        "measures": {name: _row(name, was[name], now[name], matched[name]) for name in was},
        "logits": {"before": size(one), "after": size(other), "scale": scale},
        "same_function": {"scale": like.scale, "difference": like.difference},
        "other_images": [_ratios(before, after, drawn, setting, number)
                         for number, drawn in enumerate(others, 1)],
        "rescaled": {"before": _rescaled(before, images, was, setting),
                     "after": _rescaled(after, images, now, setting)},
        "evidence": {"before": _evidence(before, images, first, was, setting),
                     "after": _evidence(after, images, second, now, setting)},
    }


def _row(name: str, was: Reading, now: Reading, matched: Reading) -> dict[str, Any]:
    entry = SHARPNESS[name].load()
    return {"title": entry.title, "definition": entry.definition, "moved_by": entry.moved_by,
            "before": _value(was), "after": _value(now), "matched": _value(matched),
            "as they are": log_ratio(now, was), "at matched logits": log_ratio(matched, was)}


def _value(reading: Reading) -> dict[str, Any]:
    return {"value": reading.value, "error": reading.error, "error_is": reading.error_is,
            "sampling_error": reading.sampling_error}


def log_ratio(now: Reading, was: Reading) -> dict[str, float]:
    """log(now / was) and its standard error over the images, paired.

    By the infinitesimal jackknife an image moves log m by (share - m) / (n m); the error is that of
    the mean of the differences of the two. Not a number where a value is not positive.
    """
    if not (now.value > 0 and was.value > 0):
        return {"value": math.nan, "error": math.nan}
    paired = now.shares / now.value - was.shares.to(now.shares.device) / was.value
    return {"value": math.log(now.value / was.value), "error": standard_error(paired)}


def _ratios(before: nn.Module, after: nn.Module, images: Images, setting: Setting, number: int
            ) -> dict[str, float]:
    """log(after / before) of a few measures at matched logits, on one further set of images and
    with other probes."""
    setting.on_stage(f"other images, set {number}")
    drawn = replace(setting, seed=setting.seed + number)
    one, other = (size(logits(model, images[0])) for model in (before, after))
    scale = one / other if other else math.nan
    was = measure_sharpness(drawn.subject(before, images), FEW)
    now = measure_sharpness(drawn.subject(after, images, scale), FEW)
    return {name: log_ratio(now[name], was[name])["value"] for name in FEW}


def _rescaled(model: nn.Module, images: Images, known: Mapping[str, Reading], setting: Setting
              ) -> dict[str, Any]:
    """How far a few measures move when one layer of the model is made `FACTOR` times as large and
    the BatchNorm behind it undoes that; or why that cannot be shown of this model."""
    x, _ = images
    given = logits(model, x)
    differences = []
    for layer, norm in before_batch_norm(model, x[:4]):
        changed = rescaled(model, layer, norm, FACTOR)
        difference = likeness(given, logits(changed, x)).difference
        if not difference <= SAME:
            differences.append(difference)  # used elsewhere too, or rounded coarsely
            continue
        setting.on_stage(f"a model with {layer} rescaled")
        moved = measure_sharpness(setting.subject(changed, images), FEW)
        return {"layer": layer, "factor": FACTOR, "difference": difference,
                "ratios": {name: _quotient(moved[name].value, known[name].value) for name in FEW}}
    if differences:
        return {"reason": "Rescaling a layer changed the logits by "
                          f"{min(differences):.1e} of their size or more, above the {SAME:g} that "
                          "is allowed for rounding: the layer is used elsewhere too, or this "
                          "device computes too coarsely."}
    return {"reason": "No layer of this network has a BatchNorm behind it that could undo a change "
                      "of its scale."}


def _quotient(value: float, by: float) -> float:
    """value / by; not a number where that is not defined."""
    return value / by if by else math.nan


def _evidence(model: nn.Module, images: Images, subject: Subject, readings: Mapping[str, Reading],
              setting: Setting) -> dict[str, Any]:
    """What shows that λ_max has converged: residual, finite differences, PyHessian's value."""
    pairs = subject.pairs()
    value, residual = readings["lambda_max"].value, float(pairs.residuals[0])
    setting.on_stage("finite differences in float64")
    slopes = curvature_by_slopes(setting.subject(model, images, dtype=torch.float64),
                                 pairs.vectors[0])
    setting.on_stage("PyHessian")
    theirs, gap = leading(model, *images, POWER_STEPS, setting.seed, setting.parameters,
                          setting.memory)
    return {"lambda_max": value, "residual": residual,
            "products": subject.spent["Hessian products"], "slopes": slopes,
            "slopes_off_by": off_by(value, slopes),
            "pyhessian": {"value": theirs, "residual": gap, "agrees": bool(
                abs(theirs - value) <= gap + residual + ROUNDOFF * abs(value))}}
