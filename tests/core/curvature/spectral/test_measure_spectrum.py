"""The whole measurement: numbers, products, resumption, and what it leaves behind."""

import copy
import gc
import weakref

import pytest
import torch

from ngf_core.curvature import lanczos, measure_spectrum, ritz, spectrum_of
from ngf_core.curvature.operators.hessian import HessianOperator
from ngf_core.curvature.spectral.basis import Basis
from ngf_core.curvature.spectral.deflated_trace import complement_unit
from ngf_core.curvature.spectral.density_probe import outliers as outliers_of
from ngf_core.curvature.spectral.density_probe import run_as_probe
from ngf_core.curvature.spectral.measure_spectrum import OPERATORS
from ngf_core.curvature.spectral.state import SpectrumState
from ngf_core.errors import ConfigError, NGFError
from tests.support.dense_hessian import dense_hessian
from tests.support.known_spectra import Matrix, descending, gaussians, outliers, with_spectrum
from tests.support.seeded import seeded
from tests.support.small_networks import case

SMALL = {"k": 3, "probes": 3, "steps": 12, "trace_probes": 40}
SEEDS = 200

# Bulk and outliers as in a trained network, and what trips eigensolvers.
SPECTRA = {
    "five outliers": [100.0, 60, 40, 20, 10] + torch.linspace(-1, 1, 75).tolist(),
    "planted outlier": [50.0] + torch.linspace(-1, 1, 79).tolist(),
    "quadratic bowl": torch.linspace(1, 10, 60).tolist(),
    "degenerate pair": [9.0, 9.0, 5, 4, 3] + torch.linspace(-1, 1, 55).tolist(),
    "degenerate pair at the end": [9.0, 7.0, 5, 5] + torch.linspace(-1, 1, 56).tolist(),
    "indefinite": [-90.0, 9, 5, 3, 2] + torch.linspace(-1, 1, 55).tolist(),
    "rank two": [4.0, 3.0] + [0.0] * 38,
    "one eigenvalue": [2.0] * 20,
    "zero": [0.0] * 12,
    "three dimensions": [3.0, 1, -2],
}


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_known_spectra(name, seed):
    matrix = with_spectrum(SPECTRA[name], seed)
    found = spectrum_of(matrix, k=3, seed=seed, tolerance=1e-6, trace_error=0.02)
    truth, scale = descending(matrix.entries), max(map(abs, SPECTRA[name]))
    assert torch.allclose(found.eigenvalues, truth[:3], atol=2e-6 * scale + 1e-12)
    assert torch.allclose(found.lowest, truth[-1:], atol=2e-6 * scale + 1e-12)
    assert found.converged.all() and found.lowest_converged.all()
    assert abs(found.trace.value - truth.sum()) <= 2 * found.trace.margin + 1e-9
    assert found.products == matrix.products
    area = torch.trapezoid(found.density.values, found.density.grid)
    assert torch.allclose(area, torch.ones(3).double(), atol=1e-6)
    assert found.density.low is not None
    assert not [text for text in found.unreached if "eigenvalues" in text]


def test_the_interval_of_the_trace_covers_at_its_nominal_rate():
    matrix = with_spectrum(SPECTRA["five outliers"])
    truth = matrix.entries.trace()
    found = [spectrum_of(matrix, seed=seed, probes=2, trace_error=0.01).trace
             for seed in range(SEEDS)]
    covered = sum(abs(e.value - truth) <= e.margin for e in found) / SEEDS
    assert covered >= 0.95 - 2 * (0.95 * 0.05 / SEEDS) ** 0.5
    values = torch.tensor([e.value for e in found])
    assert (values.mean() - truth).abs() < 3 * values.std() / SEEDS**0.5


def test_the_mean_density_of_many_probes_is_the_smoothed_spectrum():
    matrix = with_spectrum(SPECTRA["five outliers"])
    found = spectrum_of(matrix, probes=200, steps=60)
    density = found.density
    truth = gaussians(descending(matrix.entries), density.grid, density.width)
    error = density.values.std(0) / 200**0.5
    off = (density.mean - truth).abs()
    # At the atoms no probe errs; in the bulk settling allows a little beside the random error.
    assert (off <= 3.5 * error + 0.02 * truth.max()).all()
    high = density.grid > 5
    assert (off[high] < 1e-3 * truth[high].max()).all()


def test_one_run_and_two_short_probes_replace_three_long_ones():
    matrix = outliers(200)
    found = spectrum_of(matrix)
    run = found.state.krylov.steps
    probes = [len(part.nodes) for part in found.state.quadratures]
    assert len(probes) == 2 and max(probes) < run
    singles = len(found.state.samples) - 2
    assert matrix.products == found.products == run + sum(probes) + singles <= 30


@pytest.mark.parametrize("seed", range(5))
def test_the_run_as_a_probe_has_the_weights_of_a_run_beside_its_outliers(seed):
    matrix = outliers(120)
    run = lanczos(matrix.matvec, 120, 30, generator=seeded(seed), dtype=torch.float64)
    own = run_as_probe(run.alphas, run.betas, 120, 5, 0, 1e-6)
    vectors = torch.linalg.eigh(matrix.entries)[1][:, -5:].T
    start = run.basis[0]
    beside = lanczos(matrix.matvec, 120, 40, start=start, against=vectors)
    grid = torch.linspace(-2, 110, 2000).double()
    direct = outliers_of(run, 120, 5, 0, 1e-6).quadrature(beside.alphas, beside.betas)
    assert torch.allclose(own.density(grid, 1.0), direct.density(grid, 1.0), atol=1e-4)
    assert torch.allclose(own.atoms, torch.tensor([100.0, 60, 40, 20, 10]).double(), atol=1e-6)
    assert own.weights.sum() == pytest.approx(1)


def test_a_null_space_is_no_atom():
    matrix = with_spectrum([4.0, 3.0] + [0.0] * 38)
    run = lanczos(matrix.matvec, 40, 30, generator=seeded(0), dtype=torch.float64)
    own = run_as_probe(run.alphas, run.betas, 40, 3, 1, 1e-3)
    assert own.atoms.tolist() == pytest.approx([4, 3])
    assert own.weights.tolist() == pytest.approx([1])


@pytest.mark.parametrize("repeated", [[70.0, 60, 50, 50], [100.0, 60, 40, 40]])
def test_a_density_probe_finds_the_repeats_that_the_run_cannot_see(repeated):
    matrix = with_spectrum(repeated + torch.linspace(-1, 1, 196).tolist())
    # Rounding puts 1e-16 of the second copy into the run, which shows once the residuals of the
    # first are down to that. With this seed the run ends before, at residuals of 1e-10.
    found = spectrum_of(matrix, k=4, seed=1)
    alone = ritz(found.state.krylov)
    assert alone.residuals[:3].min() > 1e-13
    assert torch.allclose(alone.values[:3], torch.tensor(repeated[:3]).double(), atol=0.1)
    assert alone.values[3] < 1.1, "beside the distinct outliers the run sees only the bulk"
    assert torch.allclose(found.eigenvalues, torch.tensor(repeated).double(), atol=0.1)
    assert found.converged.all()


@pytest.mark.parametrize("repeated", [[-9.0, -9.0], [-9.0, -7.0, -7.0], [-9.0] * 3 + [-5.0] * 2])
@pytest.mark.parametrize("seed", [0, 1])
def test_repeats_of_the_smallest_are_found_too(repeated, seed):
    matrix = with_spectrum([60.0, 50.0] + torch.linspace(-1, 1, 80).tolist() + repeated)
    truth = descending(matrix.entries).flip(0)
    for bottom in range(1, len(repeated) + 1):
        found = spectrum_of(matrix, k=2, bottom=bottom, seed=seed, trace_error=0.5)
        assert torch.allclose(found.lowest, truth[:bottom], atol=0.12)
        assert found.lowest_converged.all()
        vectors = found.state.lowest.vectors
        assert torch.allclose(vectors @ vectors.T, torch.eye(bottom).double(), atol=1e-6)
    again = SpectrumState.from_tensors(found.state.to_tensors())
    before = matrix.products
    assert torch.equal(spectrum_of(matrix, k=2, bottom=bottom, seed=seed, trace_error=0.5,
                                   earlier=again).lowest, found.lowest)
    assert matrix.products == before


def test_a_search_for_repeats_that_does_not_end_is_said(monkeypatch):
    monkeypatch.setattr("ngf_core.curvature.spectral.measure_spectrum.SEARCH", 1)
    matrix = with_spectrum([60.0, 50.0] + torch.linspace(-1, 1, 80).tolist() + [-9.0, -9.0])
    found = spectrum_of(matrix, k=2, bottom=2, steps=3, trace_error=0.5)
    assert found.lowest_converged.tolist() == [True, False]
    assert any("search for repeats" in text for text in found.unreached)


def test_one_smallest_eigenvalue_needs_no_search():
    matrix, other = outliers(200), outliers(200)
    one, two = spectrum_of(matrix, bottom=1), spectrum_of(other, bottom=2)
    assert one.state.lowest.products == one.state.run.steps
    assert two.state.lowest.products > two.state.run.steps


def test_a_tolerance_below_float32_is_said():
    found = spectrum_of(Matrix(outliers(200).entries.float()), k=3, tolerance=1e-9)
    assert not found.converged.any() and found.residuals.min() > 1e-5
    assert any("below what the arithmetic" in text for text in found.unreached)


def test_no_further_products_look_for_repeats_where_there_are_none():
    with_probes, without = outliers(200), outliers(200)
    spectrum_of(with_probes, probes=2, trace_error=None, trace_probes=2)
    run = spectrum_of(without, probes=1, trace_error=None, trace_probes=2).state.krylov.steps
    assert with_probes.products <= run + 12
    assert without.products > run + 2


def test_samples_stand_for_the_complement_and_no_more():
    # Beside its outliers this matrix is 3 times one: 75 times 3, of which the run knows one, or two
    # where rounding leaves a seventh direction.
    matrix = with_spectrum([100.0, 60, 40, 20, 10] + [3.0] * 75)
    found = spectrum_of(matrix, trace_error=None, trace_probes=6, tolerance=1e-9)
    krylov, truth = found.state.krylov, matrix.entries.trace().item()
    assert krylov.invariant and krylov.steps in (6, 7) and found.trace.probes == 6
    threes = krylov.steps - 5
    assert ritz(krylov).values[5:].tolist() == pytest.approx([3] * threes, rel=1e-9)
    assert found.state.samples[2:] == pytest.approx([truth] * 4, rel=1e-9)
    # The first two stem from density probes, uniform beside the outliers (where the run knows two
    # threes, one may count as the lowest): what the part of their start beside the whole run gives,
    # as often as there are dimensions beside the outliers.
    known = outliers_of(krylov, 80, 5, 1, 1e-9)
    left = 80 - len(known.values)
    for probe, sample in enumerate(found.state.samples[:2]):
        u = complement_unit(matrix, found.state.direction(probe + 1), Basis(known.vectors))
        beside = u - krylov.basis.T @ (krylov.basis @ u)
        expected = 230 + 3 * threes + left * (beside @ matrix.entries @ beside).item()
        assert sample == pytest.approx(expected, rel=1e-9)
        assert abs(sample - truth) > 1e-3, "it is no sample of the complement alone"


def test_what_could_not_be_reached_is_said():
    matrix = outliers(200)
    found = spectrum_of(matrix, k=8, memory=8 * 200 * 40, tolerance=1e-9, trace_error=1e-5,
                        trace_probes=6)
    assert found.state.krylov.steps < 30
    assert "for which the memory had room" in found.unreached[0]
    assert "standard error of the trace is above 1e-05 of it after 6 probes" in found.unreached[1]
    assert not found.converged.all()
    assert spectrum_of(outliers(200)).unreached == ()


def test_memory_for_too_few_vectors_is_refused():
    with pytest.raises(ConfigError, match=r"memory: 1.6e\+04 bytes hold 10 vectors of 200 numbers"):
        spectrum_of(outliers(200), memory=10 * 8 * 200)


@pytest.mark.parametrize(("first", "then"), [
    ({"trace_error": 0.05}, {"trace_error": 0.01}),
    ({"probes": 2}, {"probes": 4}),
    ({"k": 2}, {"k": 6}),
    ({"tolerance": 1e-2}, {"tolerance": 1e-8}),
])
def test_a_later_measurement_spends_only_what_is_missing(first, then):
    matrix = outliers(200)
    early = spectrum_of(matrix, **first)
    before = matrix.products
    later = spectrum_of(matrix, **then, earlier=early.state)
    anew = outliers(200)
    whole = spectrum_of(anew, **then)
    assert later.products == matrix.products
    assert 0 < matrix.products - before < anew.products
    tolerance = then.get("tolerance", 1e-3)
    assert torch.allclose(later.eigenvalues, whole.eigenvalues, atol=2 * tolerance * 100)
    own = ritz(later.state.krylov).residuals[: len(later.residuals)]
    assert torch.equal(later.residuals, own)
    assert later.density.values.shape[0] == then.get("probes", 3)
    assert later.trace.reached
    assert abs(later.trace.value - 230) <= 1.5 * later.trace.margin


def test_more_samples_later_are_the_samples_of_one_run():
    matrix, anew = outliers(200), outliers(200)
    early = spectrum_of(matrix, trace_error=0.2)
    later = spectrum_of(matrix, trace_error=0.003, earlier=early.state)
    whole = spectrum_of(anew, trace_error=0.003)
    assert later.trace == whole.trace and later.products == whole.products == matrix.products


def test_nothing_is_spent_when_nothing_is_missing():
    matrix, calls = outliers(200), []
    first = spectrum_of(matrix)
    before = matrix.products
    again = spectrum_of(matrix, earlier=first.state, progress=lambda *call: calls.append(call))
    assert matrix.products == before and calls == []
    assert again.trace == first.trace
    assert torch.equal(again.density.values, first.density.values)


@pytest.mark.parametrize("at", [1, 8, 13, 18, 21])
def test_a_cancelled_measurement_goes_on_with_the_same_numbers(at):
    matrix, anew = outliers(200), outliers(200)

    def cancel(done, total):
        if done == at:
            raise InterruptedError

    state = SpectrumState()
    with pytest.raises(InterruptedError):
        spectrum_of(matrix, earlier=state, progress=cancel)
    restored = SpectrumState.from_tensors(copy.deepcopy(state.to_tensors()))
    found, whole = spectrum_of(matrix, earlier=restored), spectrum_of(anew)
    assert torch.allclose(found.eigenvalues, whole.eigenvalues, atol=1e-8)
    assert found.trace.value == pytest.approx(whole.trace.value)
    assert torch.allclose(found.density.values, whole.density.values, atol=1e-8)
    # At most the steps of one density probe are spent again.
    assert matrix.products - anew.products <= max(len(p.nodes) for p in restored.quadratures)


def test_the_state_survives_a_file():
    first = spectrum_of(outliers(200))
    state = SpectrumState.from_tensors(first.state.to_tensors())
    matrix = outliers(200)
    again = spectrum_of(matrix, earlier=state, trace_error=0.001)
    assert torch.equal(again.eigenvalues, first.eigenvalues)
    assert matrix.products == again.products - first.products > 0
    stored = sum(t.numel() * t.element_size() for t in first.state.to_tensors().values())
    assert 0.9 * stored <= first.state.bytes() <= stored


@pytest.mark.parametrize("change", [{"version": torch.tensor(99)}, {"counts": torch.zeros(1)}])
def test_another_state_is_refused(change):
    with pytest.raises(NGFError, match="Krylov state"):
        SpectrumState.from_tensors(SpectrumState().to_tensors() | change)


def test_another_seed_is_refused():
    with pytest.raises(ConfigError, match="seed: the earlier measurement had seed 0, not 1"):
        spectrum_of(outliers(60), seed=1, earlier=SpectrumState(0))


def test_half_of_all_eigenvalues_of_a_small_model():
    model, x, y = case("residual")
    truth = descending(dense_hessian(model, x, y))
    k = len(truth) // 2
    found = measure_spectrum(model, (x, y), k=k, dtype=torch.float64, tolerance=1e-6)
    assert k > 30 and torch.allclose(found.eigenvalues, truth[:k], atol=1e-6 * truth[0].item())


def test_a_model_agrees_with_its_dense_hessian():
    model, x, y = case("residual")
    found = measure_spectrum(model, (x, y), **SMALL)
    truth = descending(dense_hessian(model, x, y))
    assert torch.allclose(found.eigenvalues, truth[:3], atol=2e-3 * truth[0].item())
    assert found.converged.all()
    assert abs(found.trace.value - truth.sum()) < 2 * found.trace.margin


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_over_one_layer(operator):
    model, x, y = case("residual")
    found = measure_spectrum(model, (x, y), operator=operator, parameters=["linear.weight"],
                             dtype=torch.float64, **SMALL)
    dense = OPERATORS[operator](model, (x, y), parameters=["linear.weight"],
                                dtype=torch.float64).dense()
    truth = descending(dense)
    assert torch.allclose(found.eigenvalues, truth[:3], atol=2e-3 * truth[0].item())
    assert abs(found.trace.value - truth.sum()) <= 2 * found.trace.margin + 1e-9


def test_memory_is_shared_between_graphs_and_vectors(monkeypatch):
    model, x, y = case("residual")
    seen = []

    class Watched(HessianOperator):
        def __init__(self, *args, memory, **more):
            seen.append(memory)
            super().__init__(*args, memory=memory, **more)

    monkeypatch.setitem(OPERATORS, "hessian", Watched)
    found = measure_spectrum(model, (x, y), **SMALL, memory=1e6)
    size = found.state.krylov.basis.shape[1]
    assert seen[0] == 1e6 - (60 + 3 + 1) * 4 * size
    measure_spectrum(model, (x, y), k=1, memory=2e5)
    assert seen[1] == 1e5 or seen[1] == 2e5 - 62 * 4 * size


def test_the_seed_decides_and_the_global_random_state_does_not():
    model, x, y = case("conv_bn")
    torch.manual_seed(1)
    first = measure_spectrum(model, (x, y), **SMALL, seed=4)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    again, other = (measure_spectrum(model, (x, y), **SMALL, seed=s) for s in (4, 5))
    assert first.trace == again.trace != other.trace
    assert torch.equal(first.density.values, again.density.values)
    assert not torch.equal(first.density.values, other.density.values)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", SPECTRA)
def test_progress_is_called_after_every_product_and_ends_at_the_total(name):
    seen = []
    matrix = with_spectrum(SPECTRA[name])
    spectrum_of(matrix, k=3, progress=lambda *call: seen.append((*call, matrix.products)))
    done = [call[0] for call in seen]
    assert sorted(set(done)) == list(range(1, matrix.products + 1))
    assert done == sorted(done) and len(done) <= matrix.products + 1
    assert all(total >= d == spent for d, total, spent in seen)
    assert seen[-1][:2] == (matrix.products, matrix.products)


def test_nothing_is_left_behind_when_progress_raises(monkeypatch):
    model, x, y = case("residual")
    before = {n: t.clone() for n, t in model.state_dict().items()}
    operators = []

    class Watched(HessianOperator):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            operators.append(weakref.ref(self))

    monkeypatch.setitem(OPERATORS, "hessian", Watched)

    def cancel(done, total):
        if done == 15:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        measure_spectrum(model, (x, y), **SMALL, progress=cancel)
    gc.collect()
    assert len(operators) == 1 and operators[0]() is None
    assert model.training
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_float64_is_used_when_asked_for():
    model, x, y = case("conv_bn")
    coarse, fine = (measure_spectrum(model, (x, y), **SMALL, dtype=dtype, tolerance=1e-9)
                    for dtype in (torch.float32, torch.float64))
    truth = descending(dense_hessian(model, x, y))[:3]
    assert (fine.eigenvalues - truth).abs().max() < 1e-9 < (coarse.eigenvalues - truth).abs().max()


@pytest.mark.parametrize(("change", "message"), [
    ({"k": 10_000}, "k: 10000 is out of range. Use a whole number from 1 to "),
    ({"probes": 0}, "probes: 0 is out of range"),
    ({"steps": 0}, "steps: 0 is out of range"),
    ({"trace_probes": 1}, "trace_probes: 1 is out of range"),
])
def test_bad_input_is_named(change, message):
    model, x, y = case("linear")
    with pytest.raises(ConfigError, match=message):
        measure_spectrum(model, (x, y), **(SMALL | change))
