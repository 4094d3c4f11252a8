"""The whole measurement of one model, and what it leaves behind."""

import gc
import weakref

import pytest
import torch

from ngf_core.curvature import HessianOperator, hessian, measure_spectrum, spectral_density
from ngf_core.errors import ConfigError
from tests.core.curvature.dense import case, dense_hessian, descending, seeded

SMALL = {"k": 3, "probes": 3, "steps": 12, "trace_probes": 40}


def test_all_parts_agree_with_the_dense_hessian():
    model, x, y = case("residual")
    found = measure_spectrum(model, x, y, **SMALL)
    truth = descending(dense_hessian(model, x, y))
    assert torch.allclose(found.eigenvalues, truth[:3], atol=2e-3 * truth[0].item())
    assert found.converged.all()
    assert abs(found.trace.value - truth.sum()) < 4 * found.trace.standard_error
    area = torch.trapezoid(found.density.values, found.density.grid)
    assert torch.allclose(area, torch.ones(3).double(), atol=1e-6)
    assert found.density.low is not None


def test_the_first_run_goes_on_until_the_eigenvalues_have_converged():
    model, x, y = case("residual")
    short = measure_spectrum(model, x, y, k=3, probes=1, steps=2, trace_probes=2)
    assert short.converged.all()
    assert torch.allclose(short.eigenvalues, descending(dense_hessian(model, x, y))[:3], rtol=0.01)
    two_steps = spectral_density(HessianOperator(model, (x, y)), 1, 2, seeded(0))
    assert torch.equal(short.density.values, two_steps.values)


def test_a_named_layer():
    model, x, y = case("residual")
    found = measure_spectrum(model, x, y, **SMALL, parameters=["linear.weight"])
    truth = descending(dense_hessian(model, x, y, ["linear.weight"]))
    assert torch.allclose(found.eigenvalues, truth[:3], atol=2e-3 * truth[0].item())


def test_the_seed_decides_and_the_global_random_state_does_not():
    model, x, y = case("conv_bn")
    torch.manual_seed(1)
    first = measure_spectrum(model, x, y, **SMALL, seed=4)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    again, other = (measure_spectrum(model, x, y, **SMALL, seed=s) for s in (4, 5))
    assert first.trace == again.trace != other.trace
    assert torch.equal(first.density.values, again.density.values)
    assert not torch.equal(first.density.values, other.density.values)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_progress_is_called_after_every_product_and_ends_at_the_total():
    model, x, y = case("conv_bn")
    seen = []
    found = measure_spectrum(model, x, y, **SMALL, progress=lambda *call: seen.append(call))
    assert [done for done, _ in seen] == list(range(1, found.products + 1))
    assert all(total >= done for done, total in seen)
    assert seen[-1] == (found.products, found.products)
    assert seen[0][1] == 3 * 12 + 3 + 43


def test_nothing_is_left_behind_when_progress_raises(monkeypatch):
    model, x, y = case("residual")
    before = {n: t.clone() for n, t in model.state_dict().items()}
    operators = []

    class Watched(hessian.HessianOperator):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            operators.append(weakref.ref(self))

    monkeypatch.setattr("ngf_core.curvature.spectrum.HessianOperator", Watched)

    def cancel(done, total):
        if done == 15:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        measure_spectrum(model, x, y, **SMALL, progress=cancel)
    gc.collect()
    assert len(operators) == 1 and operators[0]() is None
    assert model.training
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_float64_is_used_when_asked_for():
    model, x, y = case("conv_bn")
    coarse, fine = (measure_spectrum(model, x, y, **SMALL, dtype=dtype, tolerance=1e-9)
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
        measure_spectrum(model, x, y, **(SMALL | change))
