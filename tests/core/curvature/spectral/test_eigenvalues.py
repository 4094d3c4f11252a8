"""The leading eigenvalues against dense ones, on the spectra that trip eigensolvers."""

import pytest
import torch
from torch import nn

from ngf_core.curvature import HessianOperator, bottom_eigenvalues, lanczos, top_eigenvalues
from ngf_core.curvature.spectral.eigenvalues import settled
from ngf_core.curvature.spectral.lanczos import ritz_values
from ngf_core.errors import ConfigError
from tests.support.dense_hessian import dense_hessian
from tests.support.known_spectra import Matrix, descending, outliers, with_spectrum
from tests.support.seeded import seeded
from tests.support.small_networks import MODELS, case

SPECTRA = {
    "planted outlier": [50.0] + torch.linspace(-1, 1, 79).tolist(),
    "largest modulus negative": [-90.0, 9, 5, 3, 2] + torch.linspace(-1, 1, 55).tolist(),
    "negative": (-torch.linspace(1, 10, 40)).tolist(),
    "degenerate pair": [9.0, 9.0, 5, 4, 3] + torch.linspace(-1, 1, 55).tolist(),
    "triple": [9.0, 7, 7, 7, 3, 2] + torch.linspace(-1, 1, 55).tolist(),
    "one eigenvalue": [2.0] * 20,
    "rank two": [4.0, 3.0] + [0.0] * 28,
    "zero": [0.0] * 12,
}


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_five_largest(name, seed):
    matrix = with_spectrum(SPECTRA[name], seed)
    pairs = top_eigenvalues(matrix, 5, tolerance=1e-8, generator=seeded(seed))
    truth = descending(matrix.entries)[:5]
    assert torch.allclose(pairs.values, truth, atol=1e-6)
    v = pairs.vectors
    assert torch.allclose(v @ v.T, torch.eye(5).double(), atol=1e-6)
    true = (v @ matrix.entries - pairs.values[:, None] * v).norm(dim=1)
    assert torch.allclose(pairs.residuals, true, atol=1e-9)
    assert pairs.products == matrix.products


@pytest.mark.parametrize("name", SPECTRA)
def test_five_smallest(name):
    matrix = with_spectrum(SPECTRA[name])
    pairs = bottom_eigenvalues(matrix, 5, tolerance=1e-8, generator=seeded(0))
    assert torch.allclose(pairs.values, descending(matrix.entries).flip(0)[:5], atol=1e-6)
    v = pairs.vectors
    true = (v @ matrix.entries - pairs.values[:, None] * v).norm(dim=1)
    assert torch.allclose(pairs.residuals, true, atol=1e-9)
    assert pairs.products == matrix.products


@pytest.mark.parametrize("steps", [6, 9, 14])
def test_the_residual_bounds_the_error_for_every_seed(steps):
    # A bound, not a rate: some eigenvalue lies within the residual of each of 200 runs' values.
    matrix = outliers(60)
    truth = descending(matrix.entries)
    for seed in range(200):
        pairs = top_eigenvalues(matrix, 5, max_steps=steps, generator=seeded(seed), check=False)
        off = (pairs.values[:, None] - truth).abs().min(1).values
        assert (off <= pairs.residuals + 1e-9).all()


def test_both_ends_can_be_waited_for():
    matrix = with_spectrum([50.0, -20.0] + torch.linspace(-1, 1, 78).tolist())
    for bottom in (0, 1):
        run = lanczos(matrix.matvec, 80, 80, generator=seeded(0), dtype=torch.float64,
                      stop=settled(1, 1e-3, bottom=bottom))
        values, residuals = ritz_values(run.alphas, run.betas)
        assert residuals[0] <= 1e-3 * 50
        assert not bottom or residuals[-1] <= 1e-3 * 50


def test_values_are_within_their_residuals_of_an_eigenvalue_before_convergence():
    matrix = outliers()
    pairs = top_eigenvalues(matrix, 5, max_steps=8, tolerance=1e-9, generator=seeded(0))
    gaps = (pairs.values[:, None] - descending(matrix.entries)).abs().min(1).values
    assert (gaps <= pairs.residuals).all()
    assert not pairs.converged.all() and pairs.products == matrix.products == 8
    assert torch.equal(pairs.converged, pairs.residuals <= 1e-9 * pairs.values[0])


def test_converged_means_the_tolerance_asked_for():
    pairs = top_eigenvalues(outliers(), 5, tolerance=1e-3, generator=seeded(0))
    assert pairs.converged.all()
    assert (pairs.residuals <= 1e-3 * pairs.values[0]).all()
    assert pairs.residuals.max() > 0


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_the_tolerance_is_relative_to_the_largest_eigenvalue(scale):
    plain, scaled = outliers(), Matrix(scale * outliers().entries)
    for matrix in (plain, scaled):
        top_eigenvalues(matrix, 5, generator=seeded(0))
    assert scaled.products == plain.products


def test_a_repeated_eigenvalue_needs_the_check():
    matrix = with_spectrum([9.0, 9.0, 5] + torch.linspace(-1, 1, 57).tolist())
    without = top_eigenvalues(matrix, 2, generator=seeded(0), check=False)
    checked = top_eigenvalues(matrix, 2, generator=seeded(0))
    assert torch.allclose(without.values, torch.tensor([9.0, 5]).double(), atol=1e-3)
    assert torch.allclose(checked.values, torch.tensor([9.0, 9]).double(), atol=1e-3)


@pytest.mark.parametrize("find", [top_eigenvalues, bottom_eigenvalues])
@pytest.mark.parametrize("copies", [2, 3])
@pytest.mark.parametrize("more", range(0, 40, 3))
def test_nothing_but_the_truth_is_called_converged_however_early_the_search_ends(
        find, copies, more):
    """Dense float64 truth with multiplicities: a place is right, or not called converged."""
    sign = 1 if find is top_eigenvalues else -1
    values = [sign * v for v in [9.0] * copies + [7.0] + [5.0] * copies]
    matrix = with_spectrum(values + torch.linspace(-1, 1, 55).tolist())
    truth = descending(matrix.entries)
    truth = truth if find is top_eigenvalues else truth.flip(0)
    pairs = find(matrix, 5, max_steps=10 + more, tolerance=1e-4, generator=seeded(0))
    right = (pairs.values - truth[:5]).abs() <= 2e-4 * 9
    assert right[pairs.converged].all()


def test_a_search_without_end_leaves_the_first_alone_converged_and_one_with_an_end_all():
    matrix = with_spectrum([9.0, 9.0, 5] + torch.linspace(-1, 1, 57).tolist())
    run = lanczos(matrix.matvec, 60, 60, generator=seeded(0), dtype=torch.float64,
                  stop=settled(2, 1e-3))
    short = top_eigenvalues(matrix, 2, run.steps, generator=seeded(1), run=run)
    assert (short.residuals <= 9e-3).all() and short.converged.tolist() == [True, False]
    whole = top_eigenvalues(matrix, 2, 300, generator=seeded(1), run=run)
    assert whole.converged.all()
    assert torch.allclose(whole.values, torch.tensor([9.0, 9.0]).double(), atol=1e-3)
    plain = top_eigenvalues(matrix, 2, run.steps, generator=seeded(1), run=run, check=False)
    assert plain.converged.all() and plain.values[1] < 6, "as eigsh"


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("find", [top_eigenvalues, bottom_eigenvalues])
def test_residuals_in_float32_cover_its_rounding(check, find):
    """Against the float64 matrix, of which the float32 one is a rounding."""
    for seed in range(5):
        matrix = outliers(200, seed)
        truth = descending(matrix.entries)
        truth = truth if find is top_eigenvalues else truth.flip(0)
        single = Matrix(matrix.entries.float())
        pairs = find(single, 5, tolerance=1e-6, generator=seeded(seed), check=check)
        assert pairs.converged.all() == (find is top_eigenvalues), "1e-6 of 1 is below eps of 100"
        assert ((pairs.values - truth[:5]).abs() <= pairs.residuals).all()
        assert (pairs.residuals >= 0.99 * 100 * torch.finfo(torch.float32).eps).all()


def test_a_tolerance_below_the_arithmetics_precision_is_not_reached():
    single = Matrix(outliers(200).entries.float())
    pairs = top_eigenvalues(single, 3, tolerance=1e-9, generator=seeded(0))
    assert not pairs.converged.any()
    double = top_eigenvalues(outliers(200), 3, tolerance=1e-9, generator=seeded(0))
    assert double.converged.all() and double.residuals.max() < 1e-7


def test_residuals_of_near_repeats_are_true_at_a_loose_tolerance_too():
    matrix = with_spectrum([10.0, 9.0, 8.95, 5] + torch.linspace(-1, 1, 56).tolist())
    pairs = top_eigenvalues(matrix, 3, tolerance=0.01, generator=seeded(0))
    assert torch.allclose(pairs.values, torch.tensor([10.0, 9, 8.95]).double(), atol=0.1)
    v = pairs.vectors
    true = (v @ matrix.entries - pairs.values[:, None] * v).norm(dim=1)
    assert torch.allclose(pairs.residuals, true, atol=1e-9) and true.min() > 1e-3


def test_equal_eigenvalues_beyond_k_are_not_chased():
    matrix = with_spectrum([2.0] * 20)
    top_eigenvalues(matrix, 5, generator=seeded(0))
    assert matrix.products <= 12


def test_a_quadratic_has_its_closed_form():
    diagonal = torch.tensor([1.0, 8, 3, -2, 5])
    pairs = top_eigenvalues(Matrix(torch.diag(diagonal)), 3, generator=seeded(0), tolerance=1e-5)
    assert torch.allclose(pairs.values, torch.tensor([8.0, 5, 3]).double(), atol=1e-4)
    assert torch.allclose(pairs.vectors.abs(), torch.eye(5)[[1, 4, 2]], atol=1e-3)


def test_uniform_predictions_have_the_closed_form_of_softmax():
    # With zero weights p = 1/C, so H = (I/C - 11'/C^2) kron E[h h']: eigenvalues are those of
    # E[h h'] / C, each C - 1 times, and zeros.
    x = torch.randn(30, 3, generator=seeded(0), dtype=torch.float64)
    model = nn.Linear(3, 4, bias=False).double()
    nn.init.zeros_(model.weight)
    operator = HessianOperator(model, (x, torch.arange(30) % 4), dtype=torch.float64)
    pairs = top_eigenvalues(operator, 9, generator=seeded(0), tolerance=1e-9)
    expected = descending(x.T @ x / 30 / 4).repeat_interleave(3)
    assert torch.allclose(pairs.values, expected, rtol=1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_networks(name):
    model, x, y = case(name)
    pairs = top_eigenvalues(HessianOperator(model, (x, y)), 4, tolerance=1e-4, generator=seeded(0))
    truth = descending(dense_hessian(model, x, y))
    assert torch.allclose(pairs.values, truth[:4], rtol=1e-3, atol=1e-4 * truth[0].item())


def test_a_run_already_made_is_used_and_not_made_again():
    matrix = outliers()
    run = lanczos(matrix.matvec, matrix.size, 40, generator=seeded(0), dtype=torch.float64)
    pairs = top_eigenvalues(matrix, 5, generator=seeded(1), run=run)
    assert torch.allclose(pairs.values, torch.tensor([100.0, 60, 40, 20, 10]).double(), atol=1e-2)
    assert pairs.products == matrix.products < 65


def test_the_check_costs_about_half_a_run():
    plain, checked = outliers(), outliers()
    top_eigenvalues(plain, 5, generator=seeded(0), check=False)
    top_eigenvalues(checked, 5, generator=seeded(0))
    assert plain.products < checked.products <= 2 * plain.products


def test_progress_counts_every_product():
    matrix, seen = with_spectrum([9.0, 9.0] + [1.0] * 10), []
    top_eigenvalues(matrix, 2, max_steps=50, generator=seeded(0),
                    progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i + 1, 50) for i in range(matrix.products)]


@pytest.mark.parametrize(("change", "message"), [
    ({"k": 13}, "k: 13 is out of range. Use a whole number from 1 to 12"),
    ({"k": 0}, "k: 0 is out of range"),
    ({"k": 4, "max_steps": 3}, "max_steps: 3 is out of range. Use a whole number of 4 or more"),
    ({"tolerance": 0.0}, "tolerance: 0.0 is not positive"),
    ({"generator": None}, "Pass a seeded torch.Generator"),
])
def test_bad_input_is_named(change, message):
    matrix = with_spectrum([1.0] * 12)
    with pytest.raises(ConfigError, match=message):
        top_eigenvalues(matrix, **({"k": 2, "generator": seeded(0)} | change))
