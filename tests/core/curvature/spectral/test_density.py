"""Stochastic Lanczos quadrature against the exactly smoothed spectrum."""

import pytest
import torch

from ngf_core.curvature import lanczos, spectral_density, top_eigenvalues
from ngf_core.curvature.spectral.density import quadrature, settled_density
from ngf_core.errors import ConfigError
from tests.support.known_spectra import Matrix, descending, gaussians, outliers, with_spectrum
from tests.support.seeded import seeded


def integral(density, power=0):
    return torch.trapezoid(density.values * density.grid**power, density.grid)


@pytest.mark.parametrize("matrix", [outliers(80), with_spectrum([4.0, -1.0] + [0.0] * 38),
                                    Matrix(3 * torch.eye(9)), Matrix(torch.zeros(9, 9))])
def test_every_probe_integrates_to_one(matrix):
    density = spectral_density(matrix, 3, 10, seeded(0))
    assert torch.allclose(integral(density), torch.ones(3).double(), atol=1e-6)
    assert (density.values >= 0).all()
    assert density.values.shape == (3, len(density.grid))


def test_the_mean_of_many_probes_is_the_smoothed_spectrum():
    matrix = with_spectrum(torch.cat([torch.linspace(-1, 1, 57), torch.tensor([6.0, 8, 11])]))
    density = spectral_density(matrix, 150, 40, seeded(0), width=0.5)
    truth = gaussians(descending(matrix.entries), density.grid, 0.5)
    error = density.values.std(0) / 150**0.5
    assert (density.mean - truth).abs().max() < 0.05 * truth.max()
    assert ((density.mean - truth).abs() <= 3 * error + 1e-3).double().mean() > 0.95
    assert (density.mean - truth).abs().max() > 0


@pytest.mark.parametrize("power", [1, 2])
def test_moments_are_those_of_the_spectrum_within_the_error_bars(power):
    matrix = outliers(80)
    density = spectral_density(matrix, 60, 20, seeded(1))
    moments = integral(density, power)
    truth = (descending(matrix.entries) ** power).mean() + (density.width**2 if power == 2 else 0)
    assert (moments.mean() - truth).abs() < 3 * moments.std() / 60**0.5


def test_one_probe_is_the_quadrature_of_its_own_start():
    # All steps: the quadrature is exact, so the first moment is q' A q.
    matrix, start = outliers(40), torch.randn(40, generator=seeded(2), dtype=torch.float64)
    start /= start.norm()
    density = spectral_density([lanczos(matrix.matvec, 40, 40, start=start)])
    assert torch.allclose(integral(density, 1), start @ matrix.entries @ start, atol=1e-6)


def test_the_band_is_the_range_of_three_or_more_probes():
    density = spectral_density(outliers(80), 4, 10, seeded(0))
    assert torch.equal(density.low, density.values.min(0).values)
    assert torch.equal(density.high, density.values.max(0).values)
    assert torch.equal(density.mean, density.values.mean(0))
    two = spectral_density(outliers(80), 2, 10, seeded(0))
    assert two.low is None and two.high is None


def test_the_band_of_three_probes_covers_as_often_as_it_says():
    # Of independent draws, all three lie on one side of their median in a quarter of all cases.
    matrix, grid = outliers(60), torch.linspace(-0.9, 0.9, 7)
    found = [spectral_density(matrix, 3, 12, seeded(seed), grid, 0.1) for seed in range(200)]
    median = torch.cat([density.values for density in found]).median(0).values
    covered = [((d.low <= median) & (median <= d.high)).double() for d in found]
    assert 0.68 <= torch.stack(covered).mean() <= 0.82


def test_exact_atoms_leave_no_error_at_the_outliers_and_need_fewer_steps():
    matrix = outliers(80)
    truth = descending(matrix.entries)
    pairs = top_eigenvalues(matrix, 5, tolerance=1e-9, generator=seeded(9))
    matrix.products = 0
    found = spectral_density(matrix, 60, 40, seeded(0), width=0.5, deflate=pairs, settle=True)
    assert matrix.products < 60 * 15
    exact = gaussians(truth, found.grid, 0.5)
    high = found.grid > 5
    assert torch.allclose(found.values[:, high], exact[high].expand(60, -1), atol=1e-6)
    off, error = (found.mean - exact).abs(), found.values.std(0) / 60**0.5
    assert (off <= 4 * error + 0.02 * exact.max()).all()
    assert torch.allclose(integral(found), torch.ones(60).double(), atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_settled_density_is_that_of_a_long_run(seed):
    matrix, start = outliers(200), torch.randn(200, generator=seeded(seed)).double()
    every = lanczos(matrix.matvec, 200, 80, start=start)
    stop = settled_density(lambda alphas, betas: quadrature(alphas, betas, 200), 1.0)
    short = lanczos(matrix.matvec, 200, 80, start=start, stop=stop)
    assert short.steps < 40
    long, found = (spectral_density([run], width=1.0, grid=torch.linspace(-5, 105, 3000))
                   for run in (every, short))
    one = 1 / (200 * (2 * torch.pi) ** 0.5)
    assert ((long.mean - found.mean).abs() <= 0.2 * (long.mean + one)).all()


def test_finished_runs_give_the_same_and_cost_nothing():
    matrix, generator = outliers(80), seeded(0)
    runs = [lanczos(matrix.matvec, 80, 10, generator=generator, dtype=torch.float64)
            for _ in range(3)]
    again = spectral_density(runs)
    assert matrix.products == 30
    assert torch.equal(again.values, spectral_density(matrix, 3, 10, seeded(0)).values)


def test_grid_and_width_can_be_given():
    grid = torch.linspace(-5, 5, 11)
    density = spectral_density(outliers(80), 1, 10, seeded(0), grid, 0.3)
    assert torch.equal(density.grid, grid.double()) and density.width == 0.3


@pytest.mark.parametrize(("change", "message"), [
    ({"probes": 0}, "probes: 0 is out of range"),
    ({"steps": 0}, "steps: 0 is out of range"),
    ({"generator": None}, "Pass a seeded torch.Generator"),
    ({"width": 0.0}, "width: 0.0 is not positive"),
    ({"source": []}, "probes: 0 is out of range"),
])
def test_bad_input_is_named(change, message):
    with pytest.raises(ConfigError, match=message):
        spectral_density(**({"source": outliers(20), "generator": seeded(0)} | change))
