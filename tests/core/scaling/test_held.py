"""The bytes that training and a Hessian product hold, against a count of the tensors alive."""

import pytest
import torch
from torch import nn
from torch.autograd.graph import get_gradient_edge
from torch.nn.functional import cross_entropy

from ngf_core.curvature.operators.double_backward import differentiable_again
from ngf_core.models.build import build_model
from ngf_core.scaling.network import _Written, network_of

# So many that what weights take is nothing beside them; on the meta device they cost nothing.
IMAGES = 10_000


@pytest.fixture
def model() -> nn.Module:
    with torch.device("meta"):
        return build_model("mini_resnet", (3, 32, 32), 10)


def batch(model: nn.Module) -> tuple[torch.Tensor, torch.Tensor, _Written]:
    x = torch.zeros(IMAGES, 3, 32, 32, device="meta")
    y = torch.zeros(IMAGES, dtype=torch.int64, device="meta")
    return x, y, _Written([x, y, *model.state_dict().values()])


def test_no_more_is_alive_on_the_way_back_than_the_graph_saves(model):
    x, y, alive = batch(model)
    with alive:
        loss = cross_entropy(model.train()(x), y)
        torch.autograd.grad(loss, list(model.parameters()))
    assert alive.most / IMAGES == pytest.approx(network_of("mini_resnet", 32).saved, rel=0.05)


def test_a_hessians_graph_keeps_twice_as_much_and_a_product_takes_three_times(model):
    parameters, (x, y, alive) = list(model.parameters()), batch(model)
    with alive, differentiable_again():
        gradient = torch.autograd.grad(cross_entropy(model.eval()(x), y), parameters,
                                       create_graph=True)
        edges, v = [get_gradient_edge(g) for g in gradient], list(map(torch.zeros_like, parameters))
        del gradient
        kept, alive.most = alive._alive, 0.0
        product = torch.autograd.grad(edges, parameters, v, retain_graph=True)
    assert len(product) == len(parameters)
    saved = network_of("mini_resnet", 32).saved
    assert kept / IMAGES == pytest.approx(2 * saved, rel=0.05)
    assert alive.most / IMAGES == pytest.approx(3 * saved, rel=0.05)
