"""Lanczos against dense eigensystems."""

import pytest
import torch

from ngf_core.curvature import lanczos, ritz
from ngf_core.curvature.spectral.lanczos import lanczos_steps
from ngf_core.errors import ConfigError, NGFError
from tests.support.known_spectra import Matrix, descending, outliers, with_spectrum
from tests.support.seeded import seeded


def run(matrix, steps, seed=0, **more):
    return lanczos(matrix.matvec, matrix.size, steps, generator=seeded(seed), dtype=matrix.dtype,
                   **more)


def test_the_recurrence_and_the_orthogonal_basis():
    matrix = outliers(80)
    krylov = run(matrix, 30)
    q, a = krylov.basis, matrix.entries
    t = q @ a @ q.T
    expected = torch.diag(krylov.alphas) + sum(torch.diag(krylov.betas[:-1], s) for s in (1, -1))
    assert torch.allclose(t, expected, atol=1e-10)
    assert torch.allclose(q @ q.T, torch.eye(30).double(), atol=1e-13)
    assert matrix.products == krylov.steps == 30 and not krylov.invariant


def test_all_steps_give_all_eigenvalues_without_ghosts():
    matrix = outliers(60)
    krylov = run(matrix, 500)
    assert krylov.invariant and krylov.steps == 60
    assert torch.allclose(ritz(krylov).values, descending(matrix.entries), atol=1e-10)


def test_no_ghosts_in_float32_long_after_convergence():
    matrix = outliers(200)
    single = Matrix(matrix.entries.float())
    values = ritz(run(single, 120)).values
    assert torch.allclose(values[:6], descending(matrix.entries)[:6], atol=1e-3)


def test_one_pass_would_not_be_orthogonal_after_a_start_close_to_an_eigenvector():
    matrix = outliers(80)
    top = torch.linalg.eigh(matrix.entries)[1][:, -1]
    start = top + 1e-9 * torch.randn(80, generator=seeded(0), dtype=torch.float64)
    q = lanczos(matrix.matvec, 80, 30, start=start).basis
    assert torch.allclose(q @ q.T, torch.eye(30).double(), atol=1e-13)


def test_residuals_and_vectors_are_true():
    matrix = with_spectrum(torch.linspace(-3, 5, 50))
    pairs = ritz(run(matrix, 12))
    u = pairs.vectors(12)
    true = (u @ matrix.entries - pairs.values[:, None] * u).norm(dim=1)
    assert torch.allclose(pairs.residuals, true, atol=1e-12)
    assert pairs.residuals.max() > 0.01
    assert torch.allclose(u.norm(dim=1), torch.ones(12).double())


def test_weights_are_the_squared_overlaps_with_the_start():
    matrix = with_spectrum(torch.linspace(-3, 5, 50))
    start = torch.randn(50, generator=seeded(3), dtype=torch.float64)
    pairs = ritz(lanczos(matrix.matvec, 50, 12, start=start))
    overlaps = (pairs.vectors(12) @ (start / start.norm())) ** 2
    assert torch.allclose(pairs.weights, overlaps, atol=1e-12)


def test_a_rank_two_matrix_ends_after_three_steps():
    krylov = run(with_spectrum([4.0, -1.0] + [0.0] * 38), 30)
    assert krylov.invariant and krylov.steps == 3
    assert torch.allclose(ritz(krylov).values, torch.tensor([4.0, 0, -1]).double(), atol=1e-12)


@pytest.mark.parametrize("entries", [torch.zeros(9, 9), 3 * torch.eye(9), torch.ones(1, 1)])
def test_one_eigenvalue_ends_after_one_step(entries):
    krylov = run(Matrix(entries), 5)
    assert krylov.invariant and krylov.steps == 1
    assert ritz(krylov).values.item() == pytest.approx(entries[0, 0].item(), abs=1e-6)
    assert ritz(krylov).residuals.item() == torch.finfo(torch.float32).eps * ritz(krylov).values


def test_against_restricts_to_the_complement():
    matrix = outliers(60)
    _, vectors = torch.linalg.eigh(matrix.entries)
    krylov = run(matrix, 500, against=vectors[:, -2:].T)
    assert krylov.steps == 58
    assert torch.allclose(ritz(krylov).values, descending(matrix.entries)[2:], atol=1e-10)


def test_head_is_a_shorter_run():
    matrix = outliers(60)
    long, short = run(matrix, 20).head(7), run(matrix, 7)
    assert torch.equal(long.alphas, short.alphas) and torch.equal(long.betas, short.betas)
    assert torch.equal(long.basis, short.basis)


def test_stop_and_progress_are_called_after_every_step():
    seen = []
    krylov = run(outliers(60), 20, stop=lambda alphas, betas: len(alphas) == len(betas) == 6,
                 progress=lambda done, total: seen.append((done, total)))
    assert krylov.steps == 6
    assert seen == [(i, 20) for i in range(1, 7)]


def test_the_generator_decides():
    matrix = outliers(60)
    assert torch.equal(run(matrix, 5, seed=1).alphas, run(matrix, 5, seed=1).alphas)
    assert not torch.equal(run(matrix, 5, seed=1).alphas, run(matrix, 5, seed=2).alphas)


@pytest.mark.parametrize(("change", "message"), [
    ({"steps": 0}, "steps: 0 is out of range"),
    ({"size": 0}, "size: 0 is out of range"),
    ({}, "neither a start vector nor a generator"),
    ({"start": torch.ones(4)}, r"Give a vector of shape \(5,\)"),
    ({"start": torch.zeros(5)}, "start: it is zero"),
    ({"start": torch.full((5,), float("nan"))}, "start: it is zero, not finite"),
    ({"start": torch.ones(5), "against": torch.eye(5)}, "leave nothing of 5 dimensions"),
])
def test_bad_input_is_named(change, message):
    with pytest.raises(ConfigError, match=message):
        lanczos(**({"matvec": lambda v: v, "size": 5, "steps": 3} | change))


def test_products_that_are_not_finite_are_reported():
    with pytest.raises(NGFError, match="not finite"):
        lanczos(lambda v: v * float("nan"), 5, 3, start=torch.ones(5))


@pytest.mark.parametrize("first", [1, 7, 16, 17])
def test_a_resumed_run_gives_the_numbers_of_one_long_run(first):
    matrix = outliers(60)
    whole = run(matrix, 30)
    matrix.products = 0
    early = run(matrix, first)
    resumed = run(matrix, 30, resume=early)
    assert matrix.products == 30
    assert torch.allclose(resumed.alphas, whole.alphas, atol=1e-10)
    assert torch.allclose(resumed.betas, whole.betas, atol=1e-10)
    assert torch.allclose(resumed.basis, whole.basis, atol=1e-9)
    assert early.steps == len(early.rows) == first


def test_a_run_can_be_resumed_twice_and_to_its_own_length():
    matrix = outliers(60)
    early = run(matrix, 5)
    one, two = (run(matrix, 12, resume=early) for _ in range(2))
    assert torch.equal(one.basis, two.basis) and run(matrix, 5, resume=early) is early
    assert run(matrix, 3, resume=early) is early


def test_a_resumed_run_ends_where_the_space_is_invariant():
    matrix = with_spectrum([4.0, -1.0] + [0.0] * 38)
    ended = run(matrix, 30, resume=run(matrix, 1))
    assert ended.invariant and ended.steps == 3 and ended.next is None
    matrix.products = 0
    assert run(matrix, 30, resume=ended) is ended and matrix.products == 0


def test_a_resumed_run_keeps_to_the_complement():
    matrix = outliers(60)
    against = torch.linalg.eigh(matrix.entries)[1][:, -2:].T
    early = run(matrix, 4, against=against)
    resumed = run(matrix, 20, against=against, resume=early)
    whole = run(matrix, 20, against=against)
    assert torch.allclose(resumed.alphas, whole.alphas, atol=1e-10)
    assert resumed.steps == len(resumed.rows) == 20


def test_what_was_reached_when_progress_raised_can_be_resumed():
    matrix, reached = outliers(60), []

    def cancel(done, total):
        if done == 6:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        for krylov in lanczos_steps(matrix.matvec, 60, generator=seeded(0), dtype=matrix.dtype):
            reached.append(krylov)
            cancel(krylov.steps, 20)
    resumed = run(matrix, 20, resume=reached[-1])
    assert torch.allclose(resumed.alphas, run(matrix, 20).alphas, atol=1e-10)


def test_a_head_cannot_be_resumed():
    matrix = outliers(60)
    with pytest.raises(ConfigError, match="does not hold its next direction"):
        run(matrix, 20, resume=run(matrix, 9).head(4))


def test_chosen_vectors_are_those_of_the_pairs():
    pairs = ritz(run(outliers(60), 20))
    every = pairs.vectors(20)
    # Sums of 20 products of numbers up to 1, whose order is the processor's own for two rows and
    # for twenty: each errs by at most 20 roundoffs.
    chosen = pairs.vectors(torch.tensor([19, 0]))
    assert torch.allclose(chosen, every[[19, 0]], rtol=0, atol=40 * torch.finfo(chosen.dtype).eps)
    assert pairs.vectors(99).shape == (20, 60)
