import copy
import math

import pytest
import torch
from torch import nn

from ngf_core.errors import ConfigError, NGFError
from ngf_core.landscape import (
    Plane,
    line,
    model_plane,
    random_direction,
    random_plane,
    surface,
    surface_rows,
)
from tests.support.seeded import seeded


class Bowl(nn.Module):
    """Two parameters whose cross-entropy is a quadratic: logits (0, log(e^q - 1)) and label 0
    give the loss q(w) = 1 + (w0 - 0.3)^2 + 3 (w1 + 0.2)^2 + w0 w1 / 2, alike in no two places.
    """

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([0.1, -0.4], dtype=torch.float64))

    @staticmethod
    def loss(w0: float, w1: float) -> float:
        return 1 + (w0 - 0.3) ** 2 + 3 * (w1 + 0.2) ** 2 + w0 * w1 / 2

    def forward(self, x):
        logit = torch.log(torch.expm1(self.loss(self.w[0], self.w[1])))
        return torch.stack([torch.zeros_like(logit), logit]).expand(len(x), 2)


def test_random_plane_agrees_with_a_plain_loop(make_net, batches, loop_loss):
    net = make_net(0)
    plane = random_plane(net, seeded(1))
    xs, ys = [-0.6, 0.0, 0.25, 1.0], [-0.5, 0.0, 0.8]
    losses = surface(net, plane, xs, ys, batches)
    for name, batch in batches.items():
        assert losses[name].shape == (3, 4) and losses[name].dtype == torch.float64
        for i, y in enumerate(ys):
            for j, x in enumerate(xs):
                changes = {n: x * plane.u[n] + y * plane.v[n] for n in plane.u}
                true = loop_loss(net, changes, batch)
                assert losses[name][i, j].item() == pytest.approx(true, rel=1e-11)


def test_every_column_is_aligned_on_an_asymmetric_bowl():
    """A published package steps before it evaluates on a serpentine path, so that every other
    column is one step off. The closed form here has no symmetry that would hide it.
    """
    bowl = Bowl()
    origin = {"w": bowl.w.detach().clone()}
    u = {"w": torch.tensor([1.0, 0.5], dtype=torch.float64)}
    v = {"w": torch.tensor([-0.25, 2.0], dtype=torch.float64)}
    xs, ys = torch.linspace(-1, 2, 7), torch.linspace(-0.7, 1.1, 6)
    batch = {"clean": (torch.zeros(4, 1), torch.zeros(4, dtype=torch.int64))}
    losses = surface(bowl, Plane(origin, u, v, ("w",)), xs, ys, batch)["clean"]
    for i, y in enumerate(ys.tolist()):
        for j, x in enumerate(xs.tolist()):
            true = Bowl.loss(0.1 + x - 0.25 * y, -0.4 + 0.5 * x + 2 * y)
            assert losses[i, j].item() == pytest.approx(true, rel=1e-12)


def test_centre_is_the_models_own_loss_bit_for_bit(make_net, batches):
    net = make_net(0).float()
    still = Plane(random_plane(net, seeded(1)).origin, {}, {}, ())
    own = surface(net, still, [0.0], [0.0], batches)
    centre = surface(net, random_plane(net, seeded(1)), [-1.0, 0.0, 1.0], [0.0, 2.0], batches)
    for name in batches:
        assert centre[name][0, 1].item() == own[name].item()


def test_float32_model_agrees_with_the_float64_loop(make_net, batches, loop_loss):
    net = make_net(0)
    own = loop_loss(net, {}, batches["clean"])
    still = surface(net.float(), random_plane(net, seeded(1)), [0.0], [0.0], batches)
    assert still["clean"].item() == pytest.approx(own, rel=1e-6)


def test_loss_is_accumulated_in_float64_from_float32_logits():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(1))

        def forward(self, x):
            return x * self.w

    logits = 5 * torch.randn(311, 6, generator=seeded(1))
    labels = torch.randint(0, 6, (311,), generator=seeded(2))
    plane = Plane({"w": torch.ones(1)}, {}, {}, ("w",))
    found = surface(Scale(), plane, [0.0], [0.0], {"clean": (logits, labels)})["clean"].item()
    true = nn.functional.cross_entropy(logits.double(), labels).item()
    assert found == pytest.approx(true, rel=1e-12)


def test_line_agrees_with_a_plain_loop(make_net, batches, loop_loss):
    net = make_net(0)
    direction = random_direction(net, seeded(2))
    ts = torch.tensor([-1.0, 0.0, 0.5])
    losses = line(net, direction, ts, batches)
    for name, batch in batches.items():
        true = [loop_loss(net, {n: t * d for n, d in direction.items()}, batch)
                for t in ts.tolist()]
        assert losses[name].tolist() == pytest.approx(true, rel=1e-11)


def test_frozen_parameters_do_not_move(make_net, batches, loop_loss):
    net = make_net(0)
    net.conv.weight.requires_grad_(False)
    plane = random_plane(net, seeded(1))
    losses = surface(net, plane, [1.0], [0.0], batches)
    true = loop_loss(net, {"linear.weight": plane.u["linear.weight"]}, batches["clean"])
    assert losses["clean"].item() == pytest.approx(true, rel=1e-11)


def test_plane_around_another_model_uses_its_weights_and_statistics(make_net, batches, loop_loss):
    before, after = make_net(0), make_net(1)
    plane = random_plane(before, seeded(1))
    losses = surface(before, plane.around(after), [0.5], [-0.5], batches)
    changes = {n: 0.5 * plane.u[n] - 0.5 * plane.v[n] for n in plane.u}
    true = loop_loss(after, changes, batches["clean"])
    assert losses["clean"].item() == pytest.approx(true, rel=1e-11)


def test_model_in_training_mode_is_measured_in_evaluation_mode(make_net, batches, loop_loss):
    net = make_net(0).train()
    losses = surface(net, random_plane(net, seeded(1)), [0.0], [0.0], batches)
    true = loop_loss(net, {}, batches["clean"])
    assert losses["clean"].item() == pytest.approx(true, rel=1e-11)


def test_rows_stream_in_order_and_leave_inference_mode(make_net, batches):
    net = make_net(0)
    plane, xs, ys = random_plane(net, seeded(1)), [-0.5, 0.5], [-1.0, 0.0, 1.0]
    whole, seen = surface(net, plane, xs, ys, batches), []
    for i, row in surface_rows(net, plane, xs, ys, batches):
        assert not torch.is_inference_mode_enabled()
        assert torch.is_grad_enabled()
        seen.append(i)
        for name in batches:
            # Chunks of another size, as timed anew, may differ in rounding.
            assert row[name].tolist() == pytest.approx(whole[name][i].tolist(), rel=1e-12)
            assert not row[name].is_inference()
    assert seen == [0, 1, 2]


def test_progress_counts_every_point(make_net, batches):
    net, calls = make_net(0), []
    surface(net, random_plane(net, seeded(1)), [0.0, 1.0], [0.0, 1.0, 2.0], batches,
            lambda done, total: calls.append((done, total)))
    assert calls == [(k, 6) for k in range(1, 7)]


class Stop(Exception):
    pass


@pytest.mark.parametrize("interrupted", [False, True])
def test_users_model_is_untouched(interrupted, make_net, batches):
    net = make_net(0).train()
    net.linear.bias.requires_grad_(False)
    net.conv.weight.grad = torch.ones_like(net.conv.weight)
    plane = random_plane(net, seeded(1))
    state = copy.deepcopy(net.state_dict())
    origin = {name: t.clone() for name, t in plane.origin.items()}
    images = batches["clean"][0].clone()

    def progress(done, total):
        if interrupted and done == 3:
            raise Stop

    if interrupted:
        with pytest.raises(Stop):
            surface(net, plane, [-1.0, 1.0], [-1.0, 1.0], batches, progress)
        assert not torch.is_inference_mode_enabled()
    else:
        surface(net, plane, [-1.0, 1.0], [-1.0, 1.0], batches, progress)
    assert all(torch.equal(t, state[name]) for name, t in net.state_dict().items())
    assert all(torch.equal(t, origin[name]) for name, t in plane.origin.items())
    assert torch.equal(images, batches["clean"][0])
    assert all(module.training for module in net.modules())
    assert [n for n, p in net.named_parameters() if not p.requires_grad] == ["linear.bias"]
    assert torch.equal(net.conv.weight.grad, torch.ones_like(net.conv.weight))
    assert net.conv.weight.is_contiguous()


def test_same_result_whatever_the_path_through_the_grid(make_net, batches):
    net = make_net(0)
    plane = random_plane(net, seeded(1))
    # Weights carried along the way would be off by 3e8 * eps = 7e-8; another processor's kernel for
    # a row of two points may differ from the one for a single point by some eps.
    far = surface(net, plane, [-3e8, 0.3], [-2e8, 0.7], batches)["clean"][1, 1]
    alone = surface(net, plane, [0.3], [0.7], batches)["clean"][0, 0]
    torch.testing.assert_close(far, alone, rtol=1e-12, atol=0)


def test_losses_that_overflow_are_kept_as_they_are(make_net, batches):
    net = make_net(0).float()
    losses = surface(net, random_plane(net, seeded(1)), [0.0, 1e30], [0.0], batches)["clean"]
    assert math.isfinite(losses[0, 0]) and not math.isfinite(losses[0, 1])


@pytest.mark.parametrize(("field", "axis", "message"), [
    ("xs", [0.0, 0.0, 1.0], "xs: the numbers do not increase. List each point once"),
    ("ys", [1.0, 0.0], "ys: the numbers do not increase"),
    ("xs", [], "xs: there are no points"),
    ("ys", [0.0, float("nan")], "ys: not every number is finite"),
])
def test_bad_axes_are_refused_before_the_first_row(field, axis, message, make_net, batches):
    net = make_net(0)
    axes = {"xs": [0.0], "ys": [0.0]} | {field: axis}
    with pytest.raises(ConfigError, match=message):
        surface_rows(net, random_plane(net, seeded(1)), **axes, batches=batches)


def test_bad_line(make_net, batches):
    net = make_net(0)
    with pytest.raises(ConfigError, match="ts: the numbers do not increase"):
        line(net, random_direction(net, seeded(1)), [1.0, 0.0], batches)
    with pytest.raises(NGFError, match=r"moves conv.weight with shape \(4,\)"):
        line(net, {"conv.weight": torch.zeros(4)}, [0.0], batches)


@pytest.mark.parametrize(("batch", "message"), [
    ((torch.zeros(0, 2, 5, 5), torch.zeros(0, dtype=torch.int64)), "'clean' is empty"),
    ((torch.zeros(3, 2, 5, 5), torch.zeros(2, dtype=torch.int64)), "one whole-number label"),
    ((torch.zeros(3, 2, 5, 5), torch.zeros(3)), "one whole-number label"),
    ((torch.zeros(2, 2, 5, 5), torch.tensor([0, -100])), "the label -100. Labels count from 0"),
    ((torch.zeros(2, 2, 5, 5).double(), torch.tensor([0, 3])), "a label is 3, but the model has 3"),
])
def test_bad_data(batch, message, make_net):
    net = make_net(0)
    with pytest.raises(ConfigError, match=f"batches: .*{message}"):
        surface(net, random_plane(net, seeded(1)), [0.0], [0.0], {"clean": batch})


def test_no_data(make_net):
    net = make_net(0)
    with pytest.raises(ConfigError, match="no data set is named"):
        surface(net, random_plane(net, seeded(1)), [0.0], [0.0], {})


def test_plane_of_another_architecture(make_net, batches):
    net, wide = make_net(0), make_net(1)
    wide.linear = nn.Linear(4, 7).double()
    with pytest.raises(NGFError, match=r"linear.weight has shape \(3, 4\) in the model and shape "
                                       r"\(7, 4\) in the plane"):
        surface(net, random_plane(wide, seeded(1)), [0.0], [0.0], batches)


def test_three_models_agree_with_a_plain_loop_away_from_the_corners(make_net, batches, loop_loss):
    a, b, c = make_net(0), make_net(1), make_net(2)
    plane, corners = model_plane(a, b, c)
    weights = torch.tensor([0.1, 0.6, 0.3], dtype=torch.float64)
    x, y = (weights @ corners).tolist()
    states = [m.state_dict() for m in (a, b, c)]
    changes = {n: sum(w * (s[n] - states[0][n]) for w, s in zip(weights, states))
               for n in states[0] if states[0][n].is_floating_point()}
    losses = surface(a, plane, [x], [y], batches)
    for name, batch in batches.items():
        true = loop_loss(a, changes, batch)
        assert losses[name].item() == pytest.approx(true, rel=1e-11)
