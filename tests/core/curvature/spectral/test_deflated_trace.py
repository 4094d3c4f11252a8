"""The trace estimate, tested on its error bars."""

import pytest
import torch

from ngf_core.curvature import HessianOperator, lanczos, trace
from ngf_core.curvature.spectral.deflated_trace import (
    FEWEST,
    WIDENING,
    averaged,
    deflated_quadratic,
    enough,
)
from ngf_core.errors import ConfigError
from tests.support.dense_hessian import dense_hessian
from tests.support.known_spectra import Matrix, outliers, with_spectrum
from tests.support.seeded import seeded
from tests.support.small_networks import case

SEEDS = 200


def estimates(matrix, probes=12, deflate=None):
    return [trace(matrix, probes, seeded(seed), deflate) for seed in range(SEEDS)]


def leading(matrix, k=5):
    return torch.linalg.eigh(matrix.entries)[1][:, -k:].T


@pytest.mark.parametrize("deflated", [False, True])
def test_two_standard_errors_cover_the_truth_at_the_nominal_rate(deflated):
    matrix = outliers(60)
    found = estimates(matrix, deflate=leading(matrix) if deflated else None)
    truth = matrix.entries.trace()
    covered = [abs(e.value - truth) <= 2 * e.standard_error for e in found]
    assert 0.85 <= sum(covered) / SEEDS <= 0.99


@pytest.mark.parametrize("vectors", ["none", "eigenvectors", "random", "long and dependent"])
def test_the_estimate_is_unbiased_whatever_the_deflating_vectors(vectors):
    matrix = outliers(60)
    random = torch.randn(3, 60, generator=seeded(9), dtype=torch.float64)
    deflate = {"none": None, "eigenvectors": leading(matrix), "random": random,
               "long and dependent": 50 * random[[0, 1, 1]]}[vectors]
    values = torch.tensor([e.value for e in estimates(matrix, 4, deflate)])
    off = values.mean() - matrix.entries.trace()
    assert off.abs() < 3 * values.std() / SEEDS**0.5


def test_deflation_of_outliers_shrinks_the_error():
    matrix = outliers(60)
    plain = torch.tensor([e.standard_error for e in estimates(matrix)]).mean()
    less = torch.tensor([e.standard_error for e in estimates(matrix, 12, leading(matrix))]).mean()
    assert less < plain / 5


def test_the_standard_error_is_the_spread_between_estimates():
    found = estimates(outliers(60))
    spread = torch.tensor([e.value for e in found]).std()
    stated = torch.tensor([e.standard_error for e in found]).square().mean().sqrt()
    assert 0.8 < spread / stated < 1.25


def test_probes_on_the_sphere_leave_no_error_on_a_multiple_of_one():
    found = trace(Matrix(3 * torch.eye(20).double()), 3, seeded(0))
    assert found.value == pytest.approx(60, abs=1e-9) and found.standard_error < 1e-9


def test_samples_stand_for_the_complement_and_no_more():
    # Beside its outliers this matrix is 3 times one, so every sample is the trace itself.
    matrix = with_spectrum([100.0, 60, 40, 20, 10] + [3.0] * 55)
    found = trace(matrix, 3, seeded(0), leading(matrix))
    assert found.value == pytest.approx(matrix.entries.trace().item(), rel=1e-12)
    assert found.standard_error < 1e-9


def test_deflating_everything_is_exact():
    matrix = outliers(20)
    found = trace(matrix, 2, seeded(0), torch.eye(20))
    assert found.value == pytest.approx(matrix.entries.trace().item(), abs=1e-9)
    assert found.standard_error == found.probes == found.margin == 0
    assert matrix.products == 20


def test_a_krylov_run_deflates_at_no_product():
    matrix = outliers(60)
    run = lanczos(matrix.matvec, 60, 12, generator=seeded(7), dtype=torch.float64)
    matrix.products = 0
    found = estimates(matrix, 4, run)
    assert matrix.products == 4 * SEEDS
    q = run.basis
    assert (q @ matrix.entries @ q.T).trace() == pytest.approx(run.alphas.sum().item())
    values = torch.tensor([e.value for e in found])
    off = values.mean() - matrix.entries.trace()
    assert off.abs() < 3 * values.std() / SEEDS**0.5
    five = torch.tensor([e.value for e in estimates(matrix, 4, leading(matrix, 1))])
    assert values.std() < five.std() / 5


@pytest.mark.parametrize("within", ["outside the space", "half inside"])
def test_a_product_made_for_something_else_gives_the_sample_of_the_deflated_matrix(within):
    matrix = outliers(60)
    run = lanczos(matrix.matvec, 60, 12, generator=seeded(7), dtype=torch.float64)
    u = torch.randn(60, generator=seeded(1), dtype=torch.float64)
    if within == "half inside":
        u += 5 * run.basis[3] - 2 * run.basis[11]
    n = torch.eye(60) - run.basis.T @ run.basis
    direct = u @ n @ matrix.entries @ n @ u
    assert deflated_quadratic(u, matrix.entries @ u, run) == pytest.approx(direct.item(), rel=1e-9)


# Relative standard deviation of one probe: far below the wanted 5 %, near it, far above it.
@pytest.mark.parametrize("bulk", [0.02, 0.6, 2.0])
def test_the_interval_after_stopping_at_a_wanted_error_covers_at_its_nominal_rate(bulk):
    entries = torch.cat([10 + bulk * torch.randn(30, generator=seeded(3)).double(),
                         torch.zeros(30).double()])
    matrix = with_spectrum(entries)
    truth = matrix.entries.trace()
    found = [trace(matrix, 400, seeded(seed), error=0.05) for seed in range(SEEDS)]
    covered = sum(abs(e.value - truth) <= e.margin for e in found) / SEEDS
    assert covered >= 0.95 - 2 * (0.95 * 0.05 / SEEDS) ** 0.5
    assert all(e.reached and e.probes >= FEWEST for e in found)
    assert all(e.standard_error <= 0.05 * abs(e.value) for e in found)


def test_stopping_at_will_without_widening_covers_less():
    # What the widening is for: of samples with three times the wanted error each.
    generator = seeded(0)
    hits = {1.0: 0, WIDENING: 0}
    for _ in range(2000):
        samples: list[float] = []
        while len(samples) < 400 and not enough(samples, 0.05):
            samples.append(1 + 0.2 * torch.randn((), generator=generator).item())
        found = averaged(samples, 0.05)
        for widening in hits:
            hits[widening] += abs(found.value - 1) <= found.margin * widening / WIDENING
    assert hits[1.0] < 0.94 * 2000 < 0.945 * 2000 <= hits[WIDENING]


@pytest.mark.parametrize("probes", [2, 3, 12])
def test_a_fixed_number_of_probes_has_a_t_interval(probes):
    matrix = outliers(60)
    truth = matrix.entries.trace()
    found = estimates(matrix, probes, leading(matrix))
    covered = sum(abs(e.value - truth) <= e.margin for e in found) / SEEDS
    assert 0.92 <= covered <= 0.98


def test_an_error_that_is_not_reached_is_reported():
    found = trace(outliers(60), 8, seeded(0), error=1e-6)
    assert found.probes == 8 and not found.reached
    assert trace(outliers(60), 8, seeded(0)).reached


def test_a_wanted_error_ends_the_run_and_its_products():
    matrix = outliers(60)
    found = trace(matrix, 400, seeded(0), leading(matrix), error=0.05)
    assert found.probes + 5 == matrix.products < 40


def test_a_network():
    model, x, y = case("residual")
    found = trace(HessianOperator(model, (x, y)), 100, seeded(0))
    truth = dense_hessian(model, x, y).trace()
    assert abs(found.value - truth) < 4 * found.standard_error < 2 * abs(truth)
    assert found.probes == 100


def test_progress_counts_every_product():
    matrix, seen = outliers(20), []
    trace(matrix, 4, seeded(0), leading(matrix, 3), lambda *call: seen.append(call))
    assert seen == [(i, 7) for i in range(1, 8)] and matrix.products == 7


@pytest.mark.parametrize(("probes", "deflate", "message"), [
    (1, None, "probes: 1 is out of range. Use a whole number of 2 or more"),
    (1.5, None, "probes: 1.5 is out of range"),
    (2, torch.ones(20), r"deflate: its shape is \(20,\)"),
    (2, torch.ones(1, 19), r"Give vectors as rows, shape \(k, 20\)"),
])
def test_bad_input_is_named(probes, deflate, message):
    with pytest.raises(ConfigError, match=message):
        trace(outliers(20), probes, seeded(0), deflate)


def test_too_few_probes_reach_nothing():
    matrix = Matrix(torch.eye(20).double())
    assert not trace(matrix, 4, seeded(0), error=0.05).reached
    assert trace(matrix, 5, seeded(0), error=0.05).reached


def test_a_bad_wanted_error_is_named():
    with pytest.raises(ConfigError, match="error: 0.0 is not positive. Use for instance 0.05"):
        trace(outliers(20), 9, seeded(0), error=0.0)
