import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from ngf_core.errors import NGFError
from ngf_core.landscape import losses_at, path_plane, project
from tests.support.seeded import seeded


@pytest.fixture
def states(make_net):
    """Nine points on a curved path of the convolution, weight and bias."""
    net = make_net(0)
    names = ("conv.weight", "conv.bias")
    drift = {n: torch.randn(net.get_parameter(n).shape, generator=seeded(1)).double()
             for n in names}
    noise = seeded(2)
    return [{n: net.get_parameter(n).detach() + t * drift[n]
             + 0.3 * torch.randn(drift[n].shape, generator=noise).double() for n in names}
            for t in torch.linspace(0, 2, 9)]


def matrix(states) -> np.ndarray:
    return np.stack([np.concatenate([s[n].numpy().ravel() for n in states[0]]) for s in states])


def test_it_agrees_with_principal_components(make_net, states):
    found = path_plane(make_net(0), states)
    truth = PCA(2).fit(matrix(states))
    np.testing.assert_allclose(found.variance, truth.explained_variance_ratio_, rtol=1e-10)
    scores = truth.transform(matrix(states))
    for axis in range(2):
        mine = found.points[:, axis].numpy()
        np.testing.assert_allclose(mine, np.sign(mine @ scores[:, axis]) * scores[:, axis],
                                   atol=1e-10)
    off = matrix(states) - truth.inverse_transform(scores)
    np.testing.assert_allclose(found.distances, np.linalg.norm(off, axis=1), rtol=1e-8)
    assert (found.points[-1] >= found.points[0]).all()


def test_projection_and_plane_agree(make_net, states):
    found = path_plane(make_net(0), states)
    for state, point, distance in zip(states, found.points.tolist(), found.distances.tolist()):
        x, y, off = project(found.plane, state)
        assert (x, y) == pytest.approx(tuple(point), abs=1e-10)
        assert off == pytest.approx(distance, rel=1e-8)


def test_a_path_that_is_flat_lies_on_its_plane_exactly(make_net, batches, loop_loss):
    net, generator = make_net(0), seeded(3)
    a, b = (torch.randn(3, 4, generator=generator).double() for _ in range(2))
    states = [{"linear.weight": net.linear.weight.detach() + t * a + t**2 * b}
              for t in (0.0, 0.3, 0.8, 1.0)]
    found = path_plane(net, states)
    assert found.variance.sum().item() == pytest.approx(1, rel=1e-12)
    losses = losses_at(net, found.plane, found.points, batches)["clean"]
    for state, loss in zip(states, losses.tolist()):
        change = {"linear.weight": state["linear.weight"] - net.linear.weight.detach()}
        assert loss == pytest.approx(loop_loss(net, change, batches["clean"]), rel=1e-10)


def test_it_moves_only_the_named_parameters(make_net, states):
    plane = path_plane(make_net(0), states).plane
    assert set(plane.moved) == {"conv.weight", "conv.bias"} and not plane.floors
    for name in ("norm.running_mean", "norm.running_var", "linear.weight"):
        assert torch.equal(plane.value(name, 3.0, -2.0), plane.origin[name].double())


def test_too_few_points_and_points_on_a_line(make_net):
    net = make_net(0)
    weight = net.linear.weight.detach()
    line = [{"linear.weight": weight + t} for t in (0.0, 1.0, 2.0, 5.0)]
    with pytest.raises(NGFError, match="at least three points of a path, and there are 2"):
        path_plane(net, line[:2])
    with pytest.raises(NGFError, match="lie on one line"):
        path_plane(net, line)


def test_paths_that_do_not_fit(make_net, states):
    net = make_net(0)
    with pytest.raises(NGFError, match="do not name the same parameters"):
        path_plane(net, [*states, {"linear.weight": net.linear.weight.detach()}])
    with pytest.raises(NGFError, match=r"moves linear.weight with shape \(2, 2\)"):
        path_plane(net, [{"linear.weight": torch.zeros(2, 2)}] * 3)
    with pytest.raises(NGFError, match="moves norm.running_mean"):
        path_plane(net, [{"norm.running_mean": torch.zeros(4)}] * 3)
    states[4]["conv.bias"][0] = float("nan")
    with pytest.raises(NGFError, match="not finite in conv.bias"):
        path_plane(net, states)
