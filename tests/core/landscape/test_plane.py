import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from ngf_core.errors import NGFError
from ngf_core.landscape import model_plane, project, random_direction, random_plane, surface
from tests.support.seeded import seeded


def flat(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().double().flatten() for p in model.parameters()])


def state_at(plane, x: float, y: float) -> dict[str, torch.Tensor]:
    return {name: plane.value(name, x, y) for name in plane.origin}


@pytest.fixture
def three(make_net):
    return make_net(0), make_net(1), make_net(2)


def test_corners_are_the_three_models_with_their_own_statistics(three, batches, loop_loss):
    plane, corners = model_plane(*three)
    for model, (x, y) in zip(three, corners.tolist()):
        expected = dict(model.named_parameters()) | dict(model.named_buffers())
        for name, value in state_at(plane, x, y).items():
            torch.testing.assert_close(value, expected[name].detach(), rtol=1e-12, atol=1e-12)
        losses = surface(three[0], plane, [x], [y], batches)
        for name, batch in batches.items():
            assert losses[name].item() == pytest.approx(loop_loss(model, {}, batch), rel=1e-11)


def test_distances_in_the_picture_are_distances_between_models(three):
    plane, corners = model_plane(*three)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        true = (flat(three[i]) - flat(three[j])).norm().item()
        assert (corners[i] - corners[j]).norm().item() == pytest.approx(true, rel=1e-12)
    assert corners[0].tolist() == [0.0, 0.0]
    assert corners[1, 1] == 0
    assert corners[1, 0] > 0 and corners[2, 1] > 0
    here, there = (torch.cat([state_at(plane, *point)[n].flatten() for n in plane.parameters])
                   for point in ((-3.0, 0.5), (1.0, 2.5)))
    assert (here - there).norm().item() == pytest.approx(20**0.5, rel=1e-12)


def test_running_statistics_are_interpolated_affinely(three):
    plane, corners = model_plane(*three)
    weights = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    x, y = (weights @ corners).tolist()
    for buffer in ("norm.running_mean", "norm.running_var"):
        mixed = sum(w * m.get_buffer(buffer) for w, m in zip(weights, three))
        torch.testing.assert_close(plane.value(buffer, x, y), mixed, rtol=1e-12, atol=1e-12)


def test_variances_far_outside_stay_at_the_smallest_of_the_three(three):
    plane, _ = model_plane(*three)
    smallest = torch.stack([m.norm.running_var for m in three]).amin(0)
    reached = False
    for x, y in ((-40.0, 0.0), (40.0, 0.0), (0.0, -40.0), (0.0, 40.0)):
        variance = plane.value("norm.running_var", x, y)
        assert (variance >= smallest).all()
        reached = reached or bool((variance == smallest).any())
    assert reached


def test_models_that_differ_in_one_layer_and_statistics_only(make_net, batches, loop_loss):
    models = [make_net(0) for _ in range(3)]
    for seed, model in enumerate(models):
        with torch.no_grad():
            model.conv.weight.copy_(make_net(seed).conv.weight)
            model.norm.running_var.copy_(make_net(seed).norm.running_var)
    plane, corners = model_plane(*models)
    assert plane.moved == ("conv.weight", "norm.running_var")
    for model, (x, y) in zip(models, corners.tolist()):
        loss = surface(models[0], plane, [x], [y], batches)["clean"].item()
        assert loss == pytest.approx(loop_loss(model, {}, batches["clean"]), rel=1e-11)


def test_float32_corners_are_exact_to_rounding(three):
    models = [m.float() for m in three]
    plane, corners = model_plane(*models)
    for model, (x, y) in zip(models, corners.tolist()):
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(plane.value(name, x, y).float(), parameter.detach(),
                                       rtol=2e-7, atol=1e-12)


def test_projection_of_the_corners_gives_their_coordinates(three):
    plane, corners = model_plane(*three)
    for model, (x, y) in zip(three, corners.tolist()):
        found = project(plane, model.state_dict())
        assert (found.x, found.y, found.distance) == pytest.approx((x, y, 0.0), abs=1e-12)


@pytest.mark.parametrize("kind", ["random", "models"])
def test_projection_finds_the_point_and_the_distance_off_the_plane(kind, three):
    plane = random_plane(three[0], seeded(5)) if kind == "random" else model_plane(*three)[0]
    state = state_at(plane, 0.7, -1.3)
    names = plane.parameters
    axes = torch.stack([torch.cat([(axis[n] if n in axis else torch.zeros_like(plane.origin[n]))
                                   .flatten() for n in names]) for axis in (plane.u, plane.v)])
    off = torch.randn(axes.shape[1], generator=seeded(6), dtype=torch.float64)
    off -= axes.T @ torch.linalg.lstsq(axes.T, off[:, None]).solution[:, 0]
    for name, part in zip(names, off.split([plane.origin[n].numel() for n in names])):
        state[name] = state[name] + part.view_as(state[name])
    found = project(plane, state)
    assert (found.x, found.y) == pytest.approx((0.7, -1.3), abs=1e-10)
    assert found.distance == pytest.approx(off.norm().item(), rel=1e-10)


def test_projection_of_a_path_that_names_only_the_tuned_layer(three):
    plane = random_plane(three[0], seeded(5))
    step = torch.randn(three[0].linear.weight.shape, generator=seeded(7), dtype=torch.float64)
    tuned = three[0].linear.weight.detach() + step
    part = project(plane, {"linear.weight": tuned})
    whole = project(plane, three[0].state_dict() | {"linear.weight": tuned})
    assert part == pytest.approx(whole, rel=1e-12)
    left = step.norm().item() ** 2 - part.distance**2
    u, v = plane.u["linear.weight"] * part.x, plane.v["linear.weight"] * part.y
    other = plane.u["conv.weight"] * part.x + plane.v["conv.weight"] * part.y
    assert left == pytest.approx((other.norm() ** 2 + (u + v).norm() ** 2).item(), rel=1e-9)


def test_random_plane_never_moves_buffers_and_draws_u_before_v(make_net):
    net = make_net(0)
    plane = random_plane(net, seeded(8))
    for name in ("norm.running_mean", "norm.running_var"):
        assert torch.equal(plane.value(name, 1.0, -2.0), net.get_buffer(name))
    generator = seeded(8)
    for axis in (plane.u, plane.v):
        for name, d in random_direction(net, generator).items():
            assert torch.equal(axis[name], d)


@pytest.mark.parametrize("vectors", ["still", "scaled"])
def test_running_statistics_are_the_models_everywhere_on_a_random_plane(vectors, make_net):
    """Published packages add the direction to every tensor of state_dict, statistics included."""
    net = make_net(0)
    plane = random_plane(net, seeded(1), vectors)
    for name in ("norm.running_mean", "norm.running_var"):
        assert name not in plane.moved
        assert torch.equal(plane.value(name, 3.0, -2.0), net.get_buffer(name))
    assert ("norm.weight" in plane.moved and bool(plane.u["norm.weight"].any())) is (
        vectors == "scaled")


def test_same_directions_around_another_model(make_net):
    before, after = make_net(0), make_net(1)
    plane = random_plane(before, seeded(8))
    moved = plane.around(after)
    for name in ("conv.weight", "linear.weight"):
        step = moved.value(name, 1.0, 0.5) - after.get_parameter(name).detach()
        expected = plane.value(name, 1.0, 0.5) - before.get_parameter(name).detach()
        torch.testing.assert_close(step, expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(moved.origin["norm.running_var"], after.norm.running_var)


def test_plane_does_not_follow_the_model(make_net):
    net = make_net(0)
    plane = random_plane(net, seeded(8))
    kept = plane.origin["conv.weight"].clone()
    with torch.no_grad():
        net.conv.weight.add_(1)
    assert torch.equal(plane.origin["conv.weight"], kept)


@pytest.mark.parametrize(("first", "second"), [(0, 1), (0, 2), (1, 2)])
def test_identical_models_are_named(first, second, three):
    models = list(three)
    models[second] = copy.deepcopy(models[first])
    # Statistics alone do not make a direction in parameter space.
    models[second].norm.running_mean += 1
    names = ("before", "ngf", "sgd")
    with pytest.raises(NGFError, match=f"'{names[first]}' and '{names[second]}' have the same "
                                       "parameters.*random plane"):
        model_plane(*models, names=names)


def test_collinear_models(three):
    a, b = (m.float() for m in three[:2])
    c = copy.deepcopy(b)
    with torch.no_grad():
        for pa, pb, pc in zip(a.parameters(), b.parameters(), c.parameters()):
            pc.copy_(pa + 0.3 * (pb - pa))
    with pytest.raises(NGFError, match="'first', 'second' and 'third' lie on one line.*third"):
        model_plane(a, b, c)


def test_models_of_different_architecture(three):
    three[2].linear = nn.Linear(4, 5).double()
    with pytest.raises(NGFError, match=r"linear.weight has shape \(5, 4\) in the model 'third' and "
                                       r"shape \(3, 4\) in the model 'first'"):
        model_plane(*three)
    del three[1].conv.bias
    three[1].conv.bias = None
    with pytest.raises(NGFError, match="conv.bias has no such tensor in the model 'second'"):
        model_plane(*three)
    with pytest.raises(NGFError, match="The architectures differ"):
        random_plane(three[0], seeded(0)).around(three[2])


def test_model_that_is_not_finite(three):
    with torch.no_grad():
        three[1].norm.running_var[0] = float("inf")
    with pytest.raises(NGFError, match="'second' holds values that are not finite in "
                                       "norm.running_var"):
        model_plane(*three)


def test_whole_number_buffers_must_agree_but_for_the_batch_count(three):
    three[1].norm.num_batches_tracked += 7
    model_plane(*three)
    for number, model in enumerate(three):
        model.register_buffer("version", torch.tensor(number))
    with pytest.raises(NGFError, match="buffer version of the model 'second'"):
        model_plane(*three)


def test_plane_through_models_stays_where_it_is(three):
    with pytest.raises(NGFError, match="passes through three models"):
        model_plane(*three)[0].around(three[1])


def test_projection_of_a_foreign_state(three):
    plane, _ = model_plane(*three)
    with pytest.raises(NGFError, match="no tensor named head.weight"):
        project(plane, {"head.weight": torch.zeros(3)})
    with pytest.raises(NGFError, match=r"conv.bias has shape \(3,\), but on this plane .*\(4,\)"):
        project(plane, {"conv.bias": torch.zeros(3)})


def test_projection_needs_two_directions(make_net):
    plane = random_plane(make_net(0), seeded(1))
    with pytest.raises(NGFError, match="span no plane"):
        project(replace(plane, v={n: 2 * d for n, d in plane.u.items()}), {})
    with pytest.raises(NGFError, match="span no plane"):
        project(replace(plane, v={}), {})
