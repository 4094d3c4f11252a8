import pytest
import torch
from torch import nn

from ngf_core.errors import NGFError
from ngf_core.landscape import arc_length, chord, losses_at, path_losses


def test_the_ends_of_a_chord_are_the_models_and_its_middle_is_their_mean(make_net, batches,
                                                                         loop_loss):
    a, b = make_net(0), make_net(1)
    losses = losses_at(a, chord(a, b), [(0.0, 0.0), (0.25, 0.0), (1.0, 0.0), (1.0, 9.0)], batches)
    states = [m.state_dict() for m in (a, b)]
    quarter = {n: 0.25 * (states[1][n] - states[0][n]) for n in states[0]
               if states[0][n].is_floating_point()}
    for name, batch in batches.items():
        truth = [loop_loss(a, {}, batch), loop_loss(a, quarter, batch), loop_loss(b, {}, batch)]
        assert losses[name].tolist() == pytest.approx([*truth, truth[2]], rel=1e-10)


def test_variances_beyond_the_ends_stay_at_the_smaller_one(make_net):
    a, b = make_net(0), make_net(1)
    line = chord(a, b)
    smaller = torch.minimum(a.norm.running_var, b.norm.running_var)
    for x in (-50.0, 50.0):
        assert (line.value("norm.running_var", x, 0.0) >= smaller).all()


def test_models_that_have_no_chord(make_net):
    a, b = make_net(0), make_net(1)
    b.linear = torch.nn.Linear(4, 7).double()
    with pytest.raises(NGFError, match="'after'.*'before'"):
        chord(a, b, names=("before", "after"))
    c = make_net(2)
    with torch.no_grad():
        c.conv.bias[0] = float("inf")
    with pytest.raises(NGFError, match="'after' holds values that are not finite in conv.bias"):
        chord(a, c, names=("before", "after"))


def test_losses_along_a_path_are_those_of_its_models(make_net, batches, loop_loss):
    net, seen = make_net(0), []
    steps = [torch.full((3, 4), t, dtype=torch.float64) for t in (0.0, 0.4, -1.0, 0.7, 2.0)]
    states = [{"linear.weight": net.linear.weight.detach() + step} for step in steps]
    losses = path_losses(net, states, batches, lambda *count: seen.append(count))
    for name, batch in batches.items():
        truth = [loop_loss(net, {"linear.weight": step}, batch) for step in steps]
        assert losses[name].tolist() == pytest.approx(truth, rel=1e-10)
    assert seen == [(3, 5), (5, 5)]
    short = path_losses(net, states[:4], batches)
    assert short["clean"].tolist() == pytest.approx(losses["clean"][:4].tolist(), rel=1e-12)


def test_a_path_of_another_architecture(make_net, batches):
    with pytest.raises(NGFError, match="fc.weight"):
        path_losses(make_net(0), [{"fc.weight": torch.zeros(2)}], batches)


def test_whole_states_of_a_network_with_batchnorm_are_points_too():
    torch.manual_seed(0)
    nets = [nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 3)) for _ in range(4)]
    x, y = torch.randn(20, 4), torch.arange(20) % 3
    for count, net in enumerate(nets):
        for _ in range(count + 1):
            net(2 * torch.randn(9, 4) + count)
    found = path_losses(nets[0], [net.state_dict() for net in nets], {"clean": (x, y)})["clean"]
    with torch.no_grad():
        true = [nn.functional.cross_entropy(net.eval()(x), y).item() for net in nets]
    assert found.tolist() == pytest.approx(true, rel=1e-6)


def test_no_points_and_points_that_name_other_tensors():
    net, batches = nn.Linear(4, 3), {"clean": (torch.ones(2, 4), torch.arange(2))}
    state = net.state_dict()
    for states in ([], [state, {"bias": state["bias"]}, state]):
        with pytest.raises(NGFError, match="do not name the same tensors"):
            path_losses(net, states, batches)


def test_arc_length_adds_the_pieces_up():
    points = [(0.0, 0.0), (3.0, 4.0), (3.0, 4.0), (0.0, 0.0)]
    states = [{"w": torch.tensor([x]), "b": torch.tensor([y])} for x, y in points]
    assert arc_length(states).tolist() == pytest.approx([0, 5, 5, 10])
