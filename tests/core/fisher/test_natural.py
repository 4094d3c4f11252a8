"""The damped natural direction against an explicit dense solve in float64."""

import pytest
import torch

from ngf_core.errors import NGFError
from ngf_core.fisher.natural import Damping, natural_direction
from tests.support.seeded import seeded


def problem(r: int, parameters: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows whose Fisher has a decaying spectrum, and a gradient partly in their span."""
    generator = seeded(r)
    rows = torch.randn(r, parameters, generator=generator, dtype=torch.float64)
    rows = rows * torch.logspace(0, -2, parameters, dtype=torch.float64) / r**0.5
    gradient = rows.T @ torch.rand(r, generator=generator, dtype=torch.float64)
    noise = torch.randn(parameters, generator=generator, dtype=torch.float64)
    return rows, gradient + 1e-3 * noise


def dense(rows: torch.Tensor, gradient: torch.Tensor, rho: float) -> tuple[torch.Tensor, float]:
    fisher = rows.T @ rows
    damping = rho * torch.trace(fisher).item() / len(rows)
    eye = torch.eye(len(fisher), dtype=torch.float64)
    return torch.linalg.solve(fisher + damping * eye, gradient), damping


SIZES = pytest.mark.parametrize(("r", "parameters"),
                                [(6, 40), (40, 41), (40, 40), (90, 40), (1, 5)])
RHOS = pytest.mark.parametrize("rho", [10.0, 1.0, 0.1, 1e-2, 1e-4, 1e-8])


@SIZES
@RHOS
def test_the_direction_solves_the_damped_system(r, parameters, rho):
    rows, gradient = problem(r, parameters)
    kept = rows.clone(), gradient.clone()
    found = natural_direction(rows, gradient, Damping(rho))
    expected, damping = dense(rows, gradient, rho)
    assert found.damping == pytest.approx(damping, rel=1e-12)
    assert (found.direction - expected).norm() < 1e-6 * expected.norm()
    assert found.length == pytest.approx(float(gradient @ found.direction), rel=1e-12)
    system = rows.T @ rows + damping * torch.eye(parameters, dtype=torch.float64)
    assert found.length == pytest.approx(float(expected @ system @ expected), rel=1e-6)
    assert torch.equal(rows, kept[0]) and torch.equal(gradient, kept[1]), "the input was changed"


@SIZES
@RHOS
def test_single_precision_rows_are_good_enough_at_every_damping(r, parameters, rho):
    rows, gradient = (part.float() for part in problem(r, parameters))
    found = natural_direction(rows, gradient, Damping(rho))
    expected, _ = dense(rows.double(), gradient.double(), rho)
    assert found.direction.dtype == torch.float32
    assert (found.direction - expected).norm() < 1e-3 * expected.norm()
    assert found.length == pytest.approx(float(gradient.double() @ expected), rel=1e-3)
    assert found.length > 0


def test_a_large_damping_gives_the_gradients_direction():
    rows, gradient = problem(6, 40)
    found = natural_direction(rows, gradient, Damping(1e9))
    assert torch.allclose(found.direction * found.damping, gradient, rtol=1e-6)


def test_damping_is_relative_to_the_scale_of_the_rows():
    rows, gradient = problem(6, 40)
    one, scaled = (natural_direction(rows * c, gradient, Damping(0.1)) for c in (1, 10))
    assert torch.allclose(one.direction, 100 * scaled.direction)


@pytest.mark.parametrize("bad", [0.0, float("nan")])
def test_no_fisher_no_direction(bad):
    rows, gradient = problem(6, 40)
    with pytest.raises(NGFError, match="zero or not finite: its weights do not matter"):
        natural_direction(rows * bad, gradient, Damping(0.1))


def test_rows_that_overflow():
    rows, gradient = problem(6, 40)
    with pytest.raises(NGFError, match="zero or not finite"):
        natural_direction(rows.float() * 1e25, gradient.float(), Damping(0.1))
