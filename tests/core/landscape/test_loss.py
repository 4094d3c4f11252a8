"""Other losses than cross-entropy, against direct evaluation with the moved weights."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from ngf_core.curvature import HessianOperator
from ngf_core.errors import ConfigError
from ngf_core.landscape import Evaluator, chord, path_losses, random_plane, surface
from ngf_core.landscape.plane import model_state

POINTS = [(0.0, 0.0), (0.4, -0.3), (-1.0, 0.7)]


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
                             nn.Linear(4 * 16, 3)).eval()


X = torch.randn(70, 2, 6, 6, generator=torch.Generator().manual_seed(1))
Z = torch.randn(70, 3, generator=torch.Generator().manual_seed(2))
Y = torch.arange(70) % 3


def huber(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return functional.huber_loss(outputs, targets, delta=0.3)


def direct(model: nn.Module, plane, loss, targets, x: float, y: float) -> float:
    moved = copy.deepcopy(model)
    state = moved.state_dict()
    state |= {name: plane.value(name, x, y).float() for name in plane.origin}
    moved.load_state_dict(state)
    with torch.no_grad():
        return float(loss(moved(X).double(), targets))


@pytest.mark.parametrize("moved", ["all", "conv", "last layer"])
@pytest.mark.parametrize(("loss", "targets"), [
    (functional.mse_loss, Z), (nn.MSELoss(), Z), (huber, Z),
    (nn.CrossEntropyLoss(label_smoothing=0.1), Y), (functional.cross_entropy, Y)],
    ids=["squared", "squared module", "huber", "smoothed", "cross-entropy"])
def test_any_mean_loss_is_that_of_the_moved_model(loss, targets, moved):
    model = network()
    for name, p in model.named_parameters():
        p.requires_grad_(moved == "all" or name.startswith("0" if moved == "conv" else "4"))
    plane = random_plane(model, torch.Generator().manual_seed(3))
    evaluator = Evaluator(model, plane, {"clean": (X, targets)}, loss=loss)
    expected = [direct(model, plane, loss, targets.double() if targets is Z else targets, *point)
                for point in POINTS]
    assert evaluator.losses(POINTS)["clean"].tolist() == pytest.approx(expected, rel=1e-5)
    if moved == "last layer":
        assert evaluator.path == "last layer"


def test_surfaces_and_paths_take_it_too():
    model, other = network(), network()
    other[4].weight.data *= 2
    plane = chord(model, other)
    data = {"clean": (X, Z)}
    row = surface(model, plane, [0.0, 1.0], [0.0], data, loss=huber)["clean"][0].tolist()
    path = path_losses(model, [model_state(model), model_state(other)], data,
                       loss=huber)["clean"].tolist()
    with torch.no_grad():
        expected = [float(huber(net(X), Z)) for net in (model, other)]
    assert row == pytest.approx(expected, rel=1e-5) and path == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("loss", "targets", "said"), [
    (nn.MSELoss(reduction="sum"), Z, "Give a plain mean over the samples"),
    (nn.MSELoss(reduction="none"), Z, "does not return one number"),
    (functional.mse_loss, Z[:5], "70 inputs and targets of shape \\(5, 3\\)"),
    (nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0])), Y, "weights the classes"),
    (nn.CrossEntropyLoss(label_smoothing=0.1), Y - 1, "labels run from"),
    (nn.CrossEntropyLoss(label_smoothing=0.1), torch.arange(70) // 20, "a label is 3, but the")],
    ids=["sum", "no mean", "too few targets", "weighted", "label below 0", "label above"])
def test_losses_and_targets_that_do_not_fit_are_named(loss, targets, said):
    model = network()
    plane = random_plane(model, torch.Generator().manual_seed(3))
    with pytest.raises(ConfigError, match=said):
        Evaluator(model, plane, {"clean": (X, targets)}, loss=loss)


def weighted(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(z, y, torch.tensor([1.0, 4.0, 0.5]).to(z))


@pytest.mark.parametrize("labels", [Y, Y.sort().values, torch.arange(70) % 2],
                         ids=["mixed", "sorted", "alternating"])
def test_a_function_that_weights_the_classes_is_found_in_any_order(labels):
    model = network()
    plane = random_plane(model, torch.Generator().manual_seed(3))
    with pytest.raises(ConfigError, match="mean of the losses of each alone .* divide by"):
        Evaluator(model, plane, {"clean": (X, labels)}, loss=weighted)


@pytest.mark.parametrize("loss", [functional.cross_entropy, nn.CrossEntropyLoss()])
def test_batchnorm_without_running_statistics_is_refused_as_for_a_spectrum(loss):
    model = network()
    model[1] = nn.BatchNorm2d(4, track_running_stats=False)
    plane = random_plane(model, torch.Generator().manual_seed(3))
    said = []
    for measure in (lambda: Evaluator(model, plane, {"clean": (X, Y)}, loss=loss),
                    lambda: HessianOperator(model, (X, Y), loss=loss)):
        with pytest.raises(ConfigError, match="let BatchNorm keep running statistics") as error:
            measure()
        said.append(str(error.value))
    assert said[0] == said[1]


def test_a_model_whose_outputs_depend_on_the_batch_is_refused_whatever_its_layers():
    class Centred(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x - x.mean(0)

    model = nn.Sequential(*network(), Centred())
    plane = random_plane(model, torch.Generator().manual_seed(3))
    with pytest.raises(ConfigError, match="with the samples that share a batch"):
        Evaluator(model, plane, {"clean": (X, Y)})
