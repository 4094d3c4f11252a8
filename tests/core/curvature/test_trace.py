"""The trace estimate, tested on its error bars."""

import pytest
import torch

from ngf_core.curvature import HessianOperator, trace
from ngf_core.errors import ConfigError
from tests.core.curvature.dense import Matrix, case, dense_hessian, outliers, seeded

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


def test_signs_leave_no_error_on_a_diagonal_matrix():
    diagonal = torch.diag(torch.linspace(-2, 5, 20, dtype=torch.float64))
    found = trace(Matrix(diagonal), 3, seeded(0))
    assert found.value == pytest.approx(30, abs=1e-9) and found.standard_error < 1e-9


def test_deflating_everything_is_exact():
    matrix = outliers(20)
    found = trace(matrix, 2, seeded(0), torch.eye(20))
    assert found.value == pytest.approx(matrix.entries.trace().item(), abs=1e-9)
    assert found.standard_error < 1e-9


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
    (2, torch.ones(20), r"deflate: its shape is \(20,\)"),
    (2, torch.ones(1, 19), r"Give vectors as rows, shape \(k, 20\)"),
])
def test_bad_input_is_named(probes, deflate, message):
    with pytest.raises(ConfigError, match=message):
        trace(outliers(20), probes, seeded(0), deflate)
