"""Every way to the loss against the loss itself: load_state_dict, one forward pass, mean."""

import copy
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional

from ngf_core.errors import ConfigError
from ngf_core.landscape import Evaluator, line, losses_at, model_plane, random_plane, surface_rows
from ngf_core.models.preact_resnet import PreActResNet
from ngf_core.models.vit import VisionTransformer

POINTS = [(0.0, 0.0), (0.6, -0.3), (-1.0, 1.0), (0.25, 0.0)]


class Untraceable(nn.Module):
    """Its way depends on the values of what it sees, so no graph can tell it."""

    def __init__(self):
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

    def forward(self, x):
        h = torch.relu(self.conv(x))
        if h.shape[0] > 0 and h.amax() > 0:
            h = h + 1
        return self.linear(h.mean((2, 3)))


class Tied(nn.Module):
    """One weight used twice, under one name."""

    def __init__(self):
        super().__init__()
        self.flatten, self.inner = nn.Flatten(), nn.Linear(192, 8)
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.second.weight = self.first.weight
        self.last = nn.Linear(8, 5)

    def forward(self, x):
        return self.last(torch.tanh(self.second(torch.tanh(self.first(self.inner(
            self.flatten(x)))))))


class Overwriting(nn.Module):
    """Works in place on values that it reads again: a kept prefix would be spoiled."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.linear = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Linear(6, 5)

    def forward(self, x):
        h = self.conv(x)
        h += 1
        active = functional.relu(self.norm(h), inplace=True)
        active += h
        h.mul_(0.5)
        return self.linear((active + h).mean((2, 3)))


class Aliased(nn.Module):
    """Changes a value through a view of it, which a graph of operations does not show."""

    def __init__(self):
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 6, 3), nn.Linear(6, 5)

    def forward(self, x):
        h = self.conv(x)
        h[:, 0].mul_(-3)
        return self.linear(torch.relu(h).mean((2, 3)))


class Reused(nn.Module):
    """A convolution used twice, each time behind another BatchNorm; a value that is read both by
    a ReLU and by a sum; a sum whose first part is the smaller.
    """

    def __init__(self):
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(6), nn.BatchNorm2d(6)])
        self.gate, self.linear = nn.Conv2d(6, 6, 1), nn.Linear(6, 5)

    def forward(self, x):
        h = self.stem(x)
        h = torch.relu(h) + h
        for norm in self.norms:
            h = torch.relu(norm(self.conv(h)))
        h = self.gate(functional.adaptive_avg_pool2d(h, 1)) + h
        return self.linear(torch.relu(h).mean((2, 3)))


class OwnParameter(nn.Module):
    """A parameter and a buffer that belong to no layer."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(192, 5)
        self.scale = nn.Parameter(torch.ones(5))
        self.register_buffer("shift", torch.zeros(5))

    def forward(self, x):
        return torch.tanh(self.linear(x.flatten(1))) * self.scale + self.shift.exp()


class Shifted(nn.Module):
    """Behind the layer a parameter is added that belongs to no layer."""

    def __init__(self):
        super().__init__()
        self.linear, self.shift = nn.Linear(192, 5), nn.Parameter(torch.ones(5))

    def forward(self, x):
        return self.linear(x.flatten(1)) + self.shift


def vgg() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(6, 15, 3, padding=1, bias=False), nn.BatchNorm2d(15, affine=False), nn.ReLU(),
        nn.Conv2d(15, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.BatchNorm1d(16), nn.ReLU(),
                         nn.Linear(16, 5))


NETS = {
    "preact": lambda: PreActResNet((4, 4, 16, 18), (2, 1, 1), (3, 8, 8), 5),
    "vit": lambda: VisionTransformer(8, 2, 2, (3, 8, 8), 5),
    "vgg": vgg, "mlp": mlp, "tied": Tied, "overwriting": Overwriting,
    "aliased": Aliased, "reused": Reused, "own": OwnParameter, "shifted": Shifted,
    "untraceable": Untraceable,
}


def make(kind: str, seed: int = 0, dtype: torch.dtype = torch.float64) -> nn.Module:
    """Random weights and statistics everywhere, so that none is at a value that hides a mistake."""
    generator = torch.Generator().manual_seed(seed)
    net = NETS[kind]().to(dtype).eval()
    with torch.no_grad():
        for name, t in [*net.named_parameters(), *net.named_buffers()]:
            if t.is_floating_point():
                noise = torch.randn(t.shape, generator=generator, dtype=torch.float64)
                t.copy_(0.5 + noise.abs() if name.endswith("running_var")
                        else noise / max(1, t[0].numel() if t.dim() > 1 else 1) ** 0.5)
    return net


def data(dtype: torch.dtype = torch.float64) -> dict:
    """Three data sets of sizes that no chunk divides."""
    generator = torch.Generator().manual_seed(7)
    return {name: (torch.rand(n, 3, 8, 8, generator=generator, dtype=dtype),
                   torch.randint(0, 5, (n,), generator=generator))
            for name, n in (("clean", 53), ("triggered", 17), ("one", 1))}


def direct(model: nn.Module, plane, x: float, y: float, batch) -> float:
    """The definition: a fresh copy with the state of the point, one pass over all samples."""
    fresh = copy.deepcopy(model).eval()
    state = dict(model.state_dict())
    for name in plane.moved:
        old = state[name]
        for same in [n for n, t in state.items() if t.data_ptr() == old.data_ptr()]:
            state[same] = plane.value(name, x, y).to(old.dtype)
    fresh.load_state_dict(state)
    with torch.no_grad():
        return functional.cross_entropy(fresh(batch[0]).double(), batch[1]).item()


def restricted(plane, chosen: list[str]):
    """The plane that moves only tensors whose name starts with one of `chosen`."""
    def of(direction):
        return {n: t for n, t in direction.items() if n.startswith(tuple(chosen))}

    return replace(plane, u=of(plane.u), v=of(plane.v))


def check(model, plane, path: str, rel: float = 1e-10, dtype: torch.dtype = torch.float64,
          **settings) -> None:
    batches = data(dtype)
    evaluator = Evaluator(model, plane, batches, **settings)
    assert evaluator.path == path
    for _ in range(2):  # The second time from what the first has kept.
        losses = evaluator.losses(POINTS)
        for name, batch in batches.items():
            true = [direct(model, plane, x, y, batch) for x, y in POINTS]
            assert losses[name].tolist() == pytest.approx(true, rel=rel), name
            assert losses[name].dtype == torch.float64 and not losses[name].is_inference()


def random(net: nn.Module, seed: int = 1):
    return random_plane(net, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("kind", "path"), [
    ("preact", "folded"), ("vit", "folded"), ("vgg", "folded"), ("mlp", "suffix"),
    ("tied", "suffix"), ("overwriting", "plain"), ("aliased", "plain"), ("reused", "folded"),
    ("own", "suffix"), ("untraceable", "plain")])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_all_parameters(kind, path, dtype):
    net = make(kind, dtype=dtype)
    check(net, random(net), path, 1e-10 if dtype == torch.float64 else 2e-6, dtype)


@pytest.mark.parametrize("kind", ["preact", "vgg", "vit", "mlp"])
def test_each_layer_alone(kind):
    """The last layer, and no other, has affine logits; the first has nothing before it."""
    net = make(kind)
    layers = [name for name, module in net.named_modules()
              if isinstance(module, (nn.Conv2d, nn.Linear))]
    for k, layer in enumerate(layers):
        last, first = k == len(layers) - 1, k == 0 and kind != "mlp"
        check(net, restricted(random(net), [f"{layer}."]),
              "last layer" if last else "folded" if first else "suffix")


@pytest.mark.parametrize(("kind", "name", "path"), [
    ("mlp", "4.weight", "last layer"), ("mlp", "4.bias", "last layer"), ("vgg", "7.bias", "suffix"),
    ("shifted", "linear.weight", "suffix"), ("vit", "norm.weight", "suffix"),
    ("vgg", "5.running_mean", "suffix")])
def test_one_tensor_alone(kind, name, path):
    """What else its layer holds stays where it is, and is not counted along the directions."""
    net = make(kind)
    tensor = net.state_dict()[name]
    generator = torch.Generator().manual_seed(2)
    u, v = ({name: torch.randn(tensor.shape, generator=generator, dtype=torch.float64)}
            for _ in range(2))
    check(net, replace(random(net), u=u, v=v), path)


@pytest.mark.parametrize(("kind", "chosen", "path"), [
    ("preact", ["blocks.1", "blocks.3", "linear"], "suffix"),
    ("preact", ["blocks.2.conv2", "blocks.2.shortcut"], "suffix"),  # Two affine layers in a sum.
    ("vgg", ["4.", "7."], "suffix"),
    ("vit", ["token"], "suffix"), ("vit", ["positions"], "suffix"),
    ("vit", ["blocks.1.qkv", "norm"], "suffix"),
    ("tied", ["first"], "suffix"), ("own", ["scale"], "suffix"), ("own", ["linear"], "suffix")])
def test_several_layers(kind, chosen, path):
    net = make(kind)
    # A filter-normalised direction leaves vectors out; here everything moves.
    generator = torch.Generator().manual_seed(4)
    u, v = ({n: 0.3 * torch.randn(p.shape, generator=generator, dtype=torch.float64)
             for n, p in net.named_parameters()} for _ in range(2))
    check(net, restricted(replace(random(net), u=u, v=v), chosen), path)


@pytest.mark.parametrize(("kind", "path"), [
    ("preact", "folded"), ("vgg", "folded"), ("mlp", "suffix"), ("own", "suffix")])
def test_statistics_moved_by_a_plane_through_three_models(kind, path):
    nets = [make(kind, seed) for seed in (0, 1, 2)]
    plane, corners = model_plane(*nets)
    assert {n for n in plane.moved if n not in plane.parameters} or kind == "own"
    batches = data()
    evaluator = Evaluator(nets[0], plane, batches)
    assert evaluator.path == path
    for point in [*corners.tolist(), (0.3 * corners).sum(0).tolist(), [-3.0, 5.0]]:
        for name, batch in batches.items():
            true = direct(nets[0], plane, *point, batch)
            assert evaluator.losses([point])[name].item() == pytest.approx(true, rel=1e-9)


@pytest.mark.parametrize("kind", ["preact", "vgg", "untraceable"])
@pytest.mark.parametrize("memory", [0, 40_000])
def test_less_memory_gives_the_same_numbers(kind, memory):
    net = make(kind)
    layer = {"preact": "blocks.1", "vgg": "7.", "untraceable": "conv"}[kind]
    check(net, restricted(random(net), [layer]), "plain" if kind == "untraceable" else "suffix",
          memory=memory)


def test_kept_values_stay_within_the_memory():
    net = make("preact")
    evaluator = Evaluator(net, restricted(random(net), ["blocks.2"]), data(), memory=50_000)
    evaluator.losses(POINTS)
    kept = [c for c in evaluator._chunks if c.state is not None]
    assert 0 < len(kept) < len(evaluator._chunks)
    size = sum(t.numel() * t.element_size() for c in kept for v in c.state
               for t in (v if isinstance(v, tuple) else [v]))
    assert size <= 50_000


class Stop(Exception):
    pass


@pytest.mark.parametrize("chosen", [[""], ["blocks.2"], ["blocks.2.conv2"], ["linear"]])
def test_an_exception_in_progress_leaves_everything_as_it_was(chosen):
    net = make("preact").train()
    state = copy.deepcopy(net.state_dict())
    plane = restricted(random(net), chosen)
    evaluator = Evaluator(net, plane, data())

    def stop(done, total):
        if done == 2:
            raise Stop

    with pytest.raises(Stop):
        evaluator.losses(POINTS, stop)
    assert not torch.is_inference_mode_enabled()
    assert all(torch.equal(t, state[n]) for n, t in net.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())
    assert all(module.training for module in net.modules())
    again, fresh = evaluator.losses(POINTS), losses_at(net, plane, POINTS, data())
    for name in fresh:
        assert again[name].tolist() == pytest.approx(fresh[name].tolist(), rel=1e-11)


def test_rows_closed_half_way_leave_the_model_as_it_was():
    net = make("preact").train()
    state = copy.deepcopy(net.state_dict())
    rows = surface_rows(net, random(net), [-1.0, 1.0], [-1.0, 0.0, 1.0], data())
    next(rows)
    rows.close()
    assert not torch.is_inference_mode_enabled()
    assert all(torch.equal(t, state[n]) for n, t in net.state_dict().items())
    assert all(p.requires_grad for p in net.parameters())


@pytest.mark.parametrize("chosen", [[""], ["blocks.2.conv1"], ["blocks.2.conv2"], ["linear"]])
def test_progress_counts_each_point_once(chosen):
    net, calls = make("preact"), []
    evaluator = Evaluator(net, restricted(random(net), chosen), data())
    points = [(0.01 * k, 0.0) for k in range(35)]
    evaluator.losses(points, lambda done, total: calls.append((done, total)))
    assert calls == [(k, 35) for k in range(1, 36)]


@pytest.mark.parametrize("chosen", [[""], ["blocks.2.conv1"], ["blocks.2.conv2"], ["linear"]])
def test_order_and_company_of_a_point_do_not_matter(chosen):
    """A published package steps along a serpentine and shifts every other column."""
    net = make("preact")
    evaluator = Evaluator(net, restricted(random(net), chosen), data())
    grid = [(x, y) for y in (-1.0, 0.0, 2.0) for x in (-2.0, -1.0, 0.5, 3.0)]
    forward, back = evaluator.losses(grid), evaluator.losses(grid[::-1])
    for name in forward:
        assert back[name].flip(0).tolist() == pytest.approx(forward[name].tolist(), rel=1e-12)
        alone = [evaluator.losses([point])[name].item() for point in grid]
        assert alone == pytest.approx(forward[name].tolist(), rel=1e-12)


def test_variances_that_turn_negative_give_nan_and_not_a_number():
    """A published package draws random directions for BatchNorm's statistics too. Where a plane is
    made to do so by hand, a negative variance must not pass for a loss.
    """
    net = make("vgg")
    plane = random(net)
    assert not any("running" in name for name in plane.moved)
    wrong = {"1.running_var": -torch.ones(6, dtype=torch.float64)}
    evaluator = Evaluator(net, replace(plane, u=wrong, v={}), data())
    losses = evaluator.losses([(0.0, 0.0), (10.0, 0.0)])["clean"]
    assert losses[0].isfinite() and losses[1].isnan()


@pytest.mark.parametrize("kind", ["preact", "mlp"])
def test_losses_beyond_range_on_the_last_layer(kind):
    net = make(kind, dtype=torch.float32)
    name = "linear" if kind == "preact" else "4."
    plane = restricted(random(net), [name])
    losses = losses_at(net, plane, [(1e4, 0.0)], data(torch.float32))["clean"].item()
    assert losses == pytest.approx(
        direct(net, plane, 1e4, 0.0, data(torch.float32)["clean"]), rel=2e-6)


def test_small_losses_keep_their_digits_on_the_last_layer():
    """log(1 + e^-30) is 9.4e-14: a log-sum-exp minus a logit would give 0 or noise."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False)).double()
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([[30.0], [0.0]]))
    plane = replace(random(net), u={"1.weight": torch.tensor([[1.0], [0.0]]).double()}, v={})
    batch = {"clean": (torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.int64))}
    evaluator = Evaluator(net, plane, batch)
    assert evaluator.path == "last layer"
    losses = evaluator.losses([(0.0, 0.0), (5.0, 0.0)])["clean"]
    exact = torch.log1p(torch.exp(torch.tensor([-30.0, -35.0], dtype=torch.float64)))
    assert losses.tolist() == pytest.approx(exact.tolist(), rel=1e-12, abs=0)


def test_hooks_are_run_and_not_folded_away():
    net = make("vgg")
    net[4].register_forward_hook(lambda module, inputs, output: 2 * output)
    check(net, random(net), "folded")
    check(net, restricted(random(net), ["4."]), "suffix")


def test_images_as_bytes():
    net = make("preact", dtype=torch.float32)
    generator = torch.Generator().manual_seed(3)
    x = torch.randint(0, 256, (37, 3, 8, 8), generator=generator, dtype=torch.uint8)
    batch, plane = (x, torch.randint(0, 5, (37,), generator=generator)), random(net)
    for part in (plane, restricted(plane, ["blocks.2"]), restricted(plane, ["linear"])):
        found = losses_at(net, part, POINTS, {"clean": batch})["clean"].tolist()
        assert found == pytest.approx([direct(net, part, x, y, batch) for x, y in POINTS], rel=2e-6)


@pytest.mark.parametrize("inputs", ["bytes", "doubles"])
def test_inputs_of_another_type_are_taken_in_the_models_own(inputs):
    net, generator = make("vgg", dtype=torch.float32), torch.Generator().manual_seed(3)
    x = torch.randint(0, 256, (20, 3, 8, 8), generator=generator, dtype=torch.uint8)
    x, same = (x, x.float() / 255) if inputs == "bytes" else (x.double(), x.float())
    labels, plane = torch.randint(0, 5, (20,), generator=generator), random(net)
    found = losses_at(net, plane, POINTS, {"clean": (x, labels)})["clean"].tolist()
    true = [direct(net, plane, a, b, (same, labels)) for a, b in POINTS]
    assert found == pytest.approx(true, rel=2e-6)


class ChangesItsInput(nn.Module):
    """In place; `tells` whether a graph can be made of it."""

    def __init__(self, tells: bool):
        super().__init__()
        self.tells, self.linear = tells, nn.Linear(6, 5)

    def forward(self, x):
        if self.tells:
            return self.linear(x.mul_(0.5))
        x.mul_(0.5)
        return self.linear(x + 1 if x.amax() > 0 else x)


@pytest.mark.parametrize("tells", [True, False])
def test_a_model_that_changes_its_input_changes_neither_data_nor_losses(tells):
    torch.manual_seed(0)
    net, x, labels = ChangesItsInput(tells).double(), torch.randn(40, 6).double(), torch.arange(40)
    kept, plane, batch = x.clone(), random(net), (x.clone(), labels % 5)
    evaluator = Evaluator(net, plane, {"clean": (x, labels % 5)})
    true = [direct(net, plane, a, b, (kept.clone(), batch[1])) for a, b in POINTS]
    for _ in range(2):
        assert evaluator.losses(POINTS)["clean"].tolist() == pytest.approx(true, rel=1e-10)
    assert torch.equal(x, kept)


class Named(nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.linear, self.answer = nn.Linear(6, 5), answer

    def forward(self, x):
        return self.answer(self.linear(x))


@pytest.mark.parametrize("answer", [lambda z: {"logits": z, "loss": None}, lambda z: (z, z[:, 0]),
                                    lambda z: SimpleNamespace(logits=z)])
@pytest.mark.parametrize("batch", [lambda x, y: (x, y), lambda x, y: (x, y, ["a"] * len(y)),
                                   lambda x, y: {"pixel_values": x, "labels": y}])
def test_logits_and_data_are_found_where_they_are_unambiguous(answer, batch):
    net, x, y = Named(answer), torch.rand(4, 6), torch.arange(4)
    plain = Named(lambda z: z)
    plain.load_state_dict(net.state_dict())
    found, wanted = (Evaluator(one, random(one), {"clean": data}).losses([(0.0, 0.0), (1.0, -0.5)])
                     for one, data in ((net, batch(x, y)), (plain, (x, y))))
    assert torch.allclose(found["clean"], wanted["clean"], atol=1e-6)


def test_outputs_that_are_no_logits_and_data_that_are_no_pair_are_named():
    net, batch = Named(lambda z: {"scores": z}), (torch.ones(4, 6), torch.arange(4))
    with pytest.raises(ConfigError, match="model: its answer is a dict, not logits"):
        Evaluator(net, random(net), {"clean": batch})
    net = Named(lambda z: z)
    with pytest.raises(ConfigError, match="'clean' is not a pair of tensors"):
        Evaluator(net, random(net), {"clean": [batch]})


def test_a_line_of_one_layer():
    net = make("vgg")
    direction = {"7.weight": torch.randn(net[7].weight.shape).double()}
    losses = line(net, direction, [-1.0, 0.5], data())["clean"]
    plane = replace(random(net), u=direction, v={})
    true = [direct(net, plane, t, 0.0, data()["clean"]) for t in (-1.0, 0.5)]
    assert losses.tolist() == pytest.approx(true, rel=1e-10)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("kind", "chosen", "path"), [
    ("preact", "", "folded"), ("preact", "blocks.2", "suffix"), ("preact", "linear", "last layer"),
    ("vgg", "7.", "suffix"), ("vit", "", "folded"), ("untraceable", "", "plain")])
def test_on_a_gpu(kind, chosen, path):
    """Data may stay on the host; the numbers are those of the processor."""
    net, batches = make(kind, dtype=torch.float32), data(torch.float32)
    there = copy.deepcopy(net).cuda()
    plane = restricted(random(net), [chosen])
    evaluator = Evaluator(there, restricted(random(there), [chosen]), batches)
    assert evaluator.path == path
    found = evaluator.losses(POINTS)
    for name, batch in batches.items():
        true = [direct(net, plane, x, y, batch) for x, y in POINTS]
        assert found[name].tolist() == pytest.approx(true, rel=1e-5)


@pytest.mark.parametrize(("points", "message"), [
    ([(0.0, float("nan"))], "points: not every coordinate is finite"),
    ([(0.0, 1.0, 2.0)], "points: not every point is a pair of numbers"),
    ([0.0, 1.0], "points: not every point is a pair of numbers")])
def test_bad_points(points, message):
    net = make("mlp")
    with pytest.raises(ConfigError, match=message):
        losses_at(net, random(net), points, data())


def test_no_points():
    net = make("mlp")
    for chosen in ([""], ["4."]):
        found = losses_at(net, restricted(random(net), chosen), [], data())
        assert {name: len(row) for name, row in found.items()} == dict.fromkeys(data(), 0)
