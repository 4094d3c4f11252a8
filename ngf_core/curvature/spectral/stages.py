"""The three stages of a spectrum: each spends products only on what the state lacks."""

from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from ngf_core.curvature.operators.operator import Progress, SymmetricOperator
from ngf_core.curvature.spectral.deflated_trace import (
    FEWEST,
    TraceEstimate,
    averaged,
    complement_unit,
    enough,
)
from ngf_core.curvature.spectral.density import settled_density
from ngf_core.curvature.spectral.density_probe import Outliers, density_probe, run_as_probe
from ngf_core.curvature.spectral.eigenvalues import (
    Eigenpairs,
    Negative,
    out_of_reach,
    settled,
    steps_needed,
    top_eigenvalues,
    with_repeats,
)
from ngf_core.curvature.spectral.lanczos import (
    Krylov,
    Stop,
    lanczos_steps,
    random_unit,
    ritz,
    ritz_values,
    roundoff,
)
from ngf_core.curvature.spectral.state import SpectrumState

# Products that a density probe usually takes, for the planned total that progress reports.
USUAL_PROBE = 8
# Products that the search for repeated eigenvalues may take.
SEARCH = 200
# Directions of that search; the probes count from 1.
SEARCH_DIRECTION = 1_000_000
LOWEST_DIRECTION = 2_000_000


@dataclass
class Meter:
    """Counts products into the state and reports each to progress."""

    state: SpectrumState
    progress: Progress | None
    done: int = 0
    total: int = 0

    def tick(self, left: int) -> None:
        """A product was made and about `left` more are to come."""
        self.done += 1
        self.state.products += 1
        self._report(left)

    def close(self) -> None:
        """No more are to come, even if the last tick expected some."""
        if self.done and self.total != self.done:
            self._report(0)

    def _report(self, left: int) -> None:
        self.total = self.done + left
        if self.progress is not None:
            self.progress(self.done, self.total)


@dataclass(frozen=True)
class SpectrumTarget:
    """The Krylov run's target: the k largest and `bottom` smallest eigenvalues, to `tolerance`."""

    size: int
    k: int
    bottom: int
    tolerance: float

    def converged(self, krylov: Krylov) -> bool:
        """Whether the wanted eigenvalues have converged."""
        stop = settled(self.k, self.tolerance, bottom=self.bottom)
        return krylov.invariant or stop(krylov.alphas, krylov.betas)

    def reached(self, krylov: Krylov) -> bool:
        """Whether they have converged, and the run's density has settled."""
        seen = settled_density(lambda alphas, betas: run_as_probe(
            alphas, betas, self.size, self.k, self.bottom, self.tolerance))
        return krylov.invariant or (self.converged(krylov) and seen(krylov.alphas, krylov.betas))


def run_krylov(operator: SymmetricOperator, state: SpectrumState, target: SpectrumTarget,
               longest: int, meter: Meter, later: int) -> Krylov:
    """Continue the Krylov run until its target is reached, or it has `longest` steps.

    later: products that the other stages may need, for the plan.
    """
    there = state.krylov
    if there is not None and (there.steps >= longest or target.reached(there)):
        return there
    start = None if there is not None else random_unit(
        operator.size, state.direction(0), operator.dtype, operator.device)
    usual = 2 * (target.k + target.bottom) + 5
    for krylov in lanczos_steps(operator.matvec, operator.size, start=start, resume=there):
        # Another run has other pairs; they are checked again.
        state.krylov, state.pairs, state.lowest = krylov, None, None
        ended = krylov.steps >= longest or target.reached(krylov)
        meter.tick(later + (0 if ended else max(1, min(usual, longest) - krylov.steps)))
        if ended:
            break
    return state.run


def run_density_probes(operator: SymmetricOperator, state: SpectrumState, target: SpectrumTarget,
                       known: Outliers, probes: int, steps: int, longest: int, meter: Meter,
                       later: int) -> None:
    """Run density probes of at most `steps` steps until the state has `probes` of them.

    The first one after a change of the Krylov run also searches for repeats of its eigenvalues,
    and may take up to `longest` steps for that.
    """
    settling = settled_density(known.quadrature)
    while (left := probes - len(state.quadratures)) > 0:
        check = _check(state, target)
        rest = USUAL_PROBE * (left - 1) + later

        def ticked(done: int, _: int, rest: int = rest) -> None:
            meter.tick(rest + max(1, USUAL_PROBE - done))

        probe = density_probe(
            operator, state.direction(state.drawn + 1), known, state.run,
            min(steps, longest) if check is None else longest,
            partial(_both, settling, check, steps), ticked)
        state.drawn += 1
        state.quadratures.append(probe.quadrature)
        state.samples.append(probe.trace)
        if check is not None:
            margin = target.tolerance * ritz(state.run).values[0].abs()
            largest = ritz_values(probe.alphas, probe.betas)[0][0]
            ended = probe.betas[-1] == 0 or check(probe.alphas, probe.betas)
            if ended and largest <= ritz(state.run).values[target.k - 1] + margin:
                state.pairs = _own_pairs(state.run, target)


def _both(settling: Stop, check: Stop | None, steps: int, alphas: Tensor, betas: Tensor) -> bool:
    """The density has settled or had its steps, and nothing is left to check."""
    return ((len(alphas) >= steps or settling(alphas, betas))
            and (check is None or check(alphas, betas)))


def _check(state: SpectrumState, target: SpectrumTarget) -> Stop | None:
    """When a run in the outliers' complement has shown that no repeat is missing; None: no check.
    """
    needed = steps_needed(state.run, settled(target.k, target.tolerance))
    if state.has_pairs(target.k) or needed is None or state.run.steps < target.k:
        return None
    values = ritz(state.run).values
    margin = target.tolerance * values[0].abs().item()
    return out_of_reach(values[target.k - 1], margin, needed // 2)


def _own_pairs(krylov: Krylov, target: SpectrumTarget) -> Eigenpairs:
    pairs, k = ritz(krylov), target.k
    converged = pairs.residuals[:k] <= target.tolerance * pairs.values[0].abs()
    return Eigenpairs(pairs.values[:k], pairs.residuals[:k], pairs.vectors(k), krylov.steps,
                      converged)


def find_pairs(operator: SymmetricOperator, state: SpectrumState, target: SpectrumTarget,
               meter: Meter, later: int) -> Eigenpairs:
    """The leading pairs, searched for repeats unless a probe has shown that none is missing."""
    if state.pairs is None or not state.has_pairs(target.k):
        state.pairs = top_eigenvalues(
            operator, target.k, state.run.steps + SEARCH, target.tolerance,
            state.direction(SEARCH_DIRECTION), lambda *_: meter.tick(USUAL_PROBE + later),
            run=state.run)
    return state.pairs


def find_lowest(operator: SymmetricOperator, state: SpectrumState, target: SpectrumTarget,
                most: int, meter: Meter, later: int) -> Eigenpairs:
    """The `bottom` smallest pairs, smallest first, searched for repeats with at most `most`
    products where more than one is wanted."""
    if state.lowest is None or len(state.lowest.values) < target.bottom:
        run, bottom = state.run, target.bottom
        pairs = ritz(run)
        margin = target.tolerance * pairs.values.abs().max().item()
        places = torch.arange(len(pairs.values) - 1, -1, -1)[:bottom]
        found = Eigenpairs(-pairs.values[places], pairs.residuals[places], pairs.vectors(places),
                           run.steps, pairs.residuals[places] <= margin)
        needed = steps_needed(run, settled(0, target.tolerance, bottom=bottom))
        found = with_repeats(
            Negative(operator), found, bottom, needed if bottom > 1 else None, margin,
            roundoff(pairs.values, operator.dtype), run.steps + most,
            state.direction(LOWEST_DIRECTION), lambda *_: meter.tick(USUAL_PROBE + later))
        state.lowest = replace(found, values=-found.values)
    return state.lowest


def sample_trace(operator: SymmetricOperator, state: SpectrumState, most: int,
                 wanted: float | None, meter: Meter) -> TraceEstimate:
    """Sample until the relative standard error is `wanted` or there are `most` samples."""
    basis = state.run.rows
    exact, left = state.run.alphas.sum().item(), operator.size - len(basis)
    if left == 0:
        return TraceEstimate(exact, 0.0, 0, wanted)
    while len(state.samples) < most and not enough(state.samples, wanted):
        u = complement_unit(operator, state.direction(state.drawn + 1), basis)
        state.samples.append(exact + left * (u.double() @ operator.matvec(u).double()).item())
        state.drawn += 1
        meter.tick(_samples_left(state.samples, most, wanted))
    return averaged(state.samples, wanted)


def _samples_left(samples: list[float], most: int, wanted: float | None) -> int:
    """About how many more are needed."""
    left = most - len(samples)
    if wanted is None or enough(samples, wanted):
        return 0 if wanted is not None else left
    if len(samples) < FEWEST:
        return min(left, FEWEST - len(samples))
    found = averaged(samples, wanted)
    ratio = found.standard_error / (wanted * abs(found.value) or 1.0)
    return min(left, max(1, int(len(samples) * (ratio**2 - 1)))) if ratio < 1e3 else left
