import pytest
import torch
from torch import nn

from ngf_core.curvature import HessianOperator
from ngf_core.landscape import Plane, curvature_along, eigen_plane, losses_at
from tests.support.seeded import seeded


@pytest.fixture
def batch(batches):
    x, y = batches["clean"]
    return x[:40], y[:40]


@pytest.fixture
def operator(make_net, batch):
    return HessianOperator(make_net(0), batch, dtype=torch.float64)


def second_derivative(net, plane, batch, axis: int, h: float = 1e-5) -> float:
    """(L(h) - 2 L(0) + L(-h)) / h^2 along an axis, from the surface itself.

    So near that no rectifier switches, which would add curvature that no Hessian sees.
    """
    points = [(0.0, 0.0)] * 3
    points[0], points[2] = [tuple(s * h if i == axis else 0.0 for i in range(2)) for s in (-1, 1)]
    left, middle, right = losses_at(net, plane, points, {"clean": batch})["clean"].tolist()
    return (left - 2 * middle + right) / h**2


def test_curvature_along_the_axes_is_the_eigenvalues(make_net, operator, batch):
    """The surface's own second differences, the dense matrix and the values agree."""
    net = make_net(0)
    found = eigen_plane(net, operator, seeded(1), tolerance=1e-8)
    truth = torch.linalg.eigvalsh(operator.dense()).flip(0)[:2]
    torch.testing.assert_close(found.values, truth, rtol=1e-8, atol=0)
    torch.testing.assert_close(curvature_along(found.plane, operator), truth, rtol=1e-8, atol=0)
    for axis in range(2):
        assert second_derivative(net, found.plane, batch, axis) == pytest.approx(
            truth[axis].item(), rel=1e-4)


def test_the_axes_are_orthonormal_and_their_sign_is_fixed(make_net, operator):
    net = make_net(0)
    planes = [eigen_plane(net, operator, seeded(s), tolerance=1e-8).plane for s in (1, 2, 3)]
    flat = [torch.cat([d[n].flatten() for n, _ in net.named_parameters()])
            for p in planes for d in (p.u, p.v)]
    torch.testing.assert_close(torch.stack(flat[:2]) @ torch.stack(flat[:2]).T,
                               torch.eye(2, dtype=torch.float64), rtol=0, atol=1e-10)
    for i in (0, 1):
        for other in flat[i + 2::2]:
            torch.testing.assert_close(other, flat[i], rtol=0, atol=1e-6)


def test_it_moves_no_buffer_and_may_be_carried_to_another_model(make_net, operator, batch):
    plane = eigen_plane(make_net(0), operator, seeded(1)).plane
    other = make_net(5)
    assert set(plane.moved) == {n for n, _ in other.named_parameters()}
    moved = plane.around(other)
    theirs = HessianOperator(other, batch, dtype=torch.float64)
    assert second_derivative(other, moved, batch, 0) == pytest.approx(
        curvature_along(moved, theirs)[0].item(), rel=1e-3)


def test_a_layer_alone(make_net, batch):
    net = make_net(0)
    layer = HessianOperator(net, batch, parameters=["linear.weight"], dtype=torch.float64)
    found = eigen_plane(net, layer, seeded(1), tolerance=1e-8)
    assert found.plane.moved == ("linear.weight",)
    torch.testing.assert_close(curvature_along(found.plane, layer), found.values,
                               rtol=1e-8, atol=0)


def test_curvature_along_any_direction_is_the_quadratic_form():
    net = nn.Linear(3, 3).double()
    x, y = torch.eye(3, dtype=torch.float64), torch.tensor([0, 1, 2])
    operator = HessianOperator(net, (x, y), dtype=torch.float64)
    u = {"weight": torch.randn(3, 3, generator=seeded(2), dtype=torch.float64)}
    v = {"bias": torch.ones(3, dtype=torch.float64)}
    plane = Plane(dict(net.state_dict()), u, v, ("weight", "bias"))
    dense = operator.dense()
    flat = torch.cat([u["weight"].flatten(), torch.zeros(3)]).double()
    curvature = curvature_along(plane, operator)
    assert curvature[0].item() == pytest.approx((flat @ dense @ flat).item(), rel=1e-10)
    # Shifting all logits alike changes no probability.
    assert curvature[1].item() == pytest.approx(0, abs=1e-12)
