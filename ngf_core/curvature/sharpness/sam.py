"""The rise of the loss within a ball around the weights, as in sharpness-aware minimisation.

    max L(w + e) - L(w)  over  ||T^-1 e|| <= rho

Plain, T = 1 (Foret, Kleiner, Mobahi, Neyshabur, ICLR 2021); adaptive, T = diag|w| (Kwon, Kim, Park,
Choi, ICML 2021). One step is their linearised solution, e = rho T^2 g / ||T g|| with the gradient
g. Several steps continue with the gradient found there, e <- rho T^2 g(w + e) / ||T g(w + e)||:
projected ascent with an infinite step, which never descends where the loss is convex. The best
point is kept, so it is at least as high as one step.
"""

import torch
from torch import Tensor

from ngf_core.curvature.sharpness.reading import Reading, SharpnessMeasure
from ngf_core.curvature.sharpness.subject import Subject

RHO, ADAPTIVE_RHO, STEPS_TAKEN = 0.05, 0.5, 10


def one_step(subject: Subject, rho: float, adaptive: bool) -> Reading:
    """The rise at the linearised solution, with shares that include how it moves with the gradient.
    """
    scale = _scale(subject, adaptive)
    gradient = subject.gradient(subject.weights)
    length = (scale * gradient).norm()
    if not length > 0:
        return Reading(0.0, torch.zeros_like(subject.base_losses))
    there = subject.weights + rho * scale**2 * gradient / length
    rise = subject.losses(there) - subject.base_losses
    # One more image like i changes the gradient g by (g_i - g)/n; q is the rise's derivative by g.
    above = scale**2 * subject.gradient(there)
    q = rho / length * (above - scale**2 * gradient * (gradient @ above) / length**2)
    turned = subject.slopes(q)
    return Reading(float(rise.mean()), rise + turned - turned.mean())


def several_steps(subject: Subject, rho: float, adaptive: bool,
                  steps: int = STEPS_TAKEN) -> Reading:
    """The highest rise along `steps` ascent steps; the first is `one_step`."""
    scale = _scale(subject, adaptive)
    best, here = torch.zeros_like(subject.base_losses), subject.weights
    for _ in range(steps):
        towards = scale * subject.gradient(here)
        if not towards.norm() > 0:  # at a stationary point any direction is as good
            towards = torch.randn(subject.size, generator=subject.generator(),
                                  dtype=torch.float64).to(towards)
        here = subject.weights + rho * scale * towards / towards.norm()
        rise = subject.losses(here) - subject.base_losses
        if rise.mean() > best.mean():
            best = rise
    return Reading(float(best.mean()), best, error_is=f"a lower bound: the best of {steps} steps")


def _scale(subject: Subject, adaptive: bool) -> Tensor:
    return subject.weights.abs() if adaptive else torch.ones_like(subject.weights)


_SCALES = "rescaling a layer against the BatchNorm behind it, and the scale of the logits"
_LOGITS = "the scale of the logits; rescaling layers does not move it"

ONE_STEP = SharpnessMeasure(
    f"SAM, one step, ρ = {RHO}", f"Rise of the loss after one step of length {RHO} up the "
    "gradient.", _SCALES, lambda subject: one_step(subject, RHO, False))
STEPS = SharpnessMeasure(
    f"SAM, {STEPS_TAKEN} steps, ρ = {RHO}", f"Largest rise of the loss found by {STEPS_TAKEN} "
    f"steps of ascent within distance {RHO} of the weights.", _SCALES,
    lambda subject: several_steps(subject, RHO, False), cheap=False)
ADAPTIVE_ONE_STEP = SharpnessMeasure(
    f"adaptive SAM, one step, ρ = {ADAPTIVE_RHO}", "Rise of the loss after one step up the "
    f"gradient, measured in relative changes of the weights, of length {ADAPTIVE_RHO}.", _LOGITS,
    lambda subject: one_step(subject, ADAPTIVE_RHO, True))
ADAPTIVE_STEPS = SharpnessMeasure(
    f"adaptive SAM, {STEPS_TAKEN} steps, ρ = {ADAPTIVE_RHO}", "Largest rise of the loss found by "
    f"{STEPS_TAKEN} steps of ascent within the ball of relative changes of the weights up to "
    f"{ADAPTIVE_RHO}.", _LOGITS, lambda subject: several_steps(subject, ADAPTIVE_RHO, True),
    cheap=False)
