"""What an image costs a network: by hand, by another count, and by a real pass."""

import pytest
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from ngf_core.models import ARCHITECTURES
from ngf_core.models.build import build_model, multiply_adds_of
from ngf_core.scaling.network import counted, network_of


def test_multiply_adds_by_hand():
    stem = 32 * 32 * 27 * 16
    first = 2 * 32 * 32 * 144 * 16
    second = 16 * 16 * 32 * (144 + 288 + 16)
    third = 8 * 8 * 64 * (288 + 576 + 32)
    mini = network_of("mini_preact_resnet", 32)
    assert mini.multiply_adds == stem + first + second + third + 640
    assert (mini.weights, mini.features, mini.classes) == (77_850, 64, 10)
    assert (mini.pixels, mini.image) == (1024, 3072)
    # What is usually quoted: ResNet-18 on 32 x 32 images, ResNet-50 on 224 x 224.
    assert network_of("preact_resnet18", 32).multiply_adds == pytest.approx(0.56e9, rel=0.02)
    large = network_of("resnet50", 224, 1000)
    assert large.multiply_adds == pytest.approx(4.09e9, rel=0.01)
    assert large.weights == 25_557_032


@pytest.mark.parametrize("arch", ["mini_resnet", "mini_vgg", "mini_mobilenet", "resnet18"])
def test_multiply_adds_are_those_of_the_layers(arch):
    with torch.device("meta"):
        model = build_model(arch, (3, 32, 32), 10).eval()
        assert network_of(arch, 32).multiply_adds == multiply_adds_of(model,
                                                                      torch.zeros(1, 3, 32, 32))


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_architecture_is_counted_without_a_weight_in_memory(arch):
    found = network_of(arch, 32)
    assert found.alive < found.written and found.saved > found.alive / 4
    assert found.multiply_adds > 1e5 and found.weights > 1e4


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.ReLU(), nn.Flatten(),
                         nn.Linear(4 * 8 * 8, 5))


def test_bytes_by_hand():
    found = counted(net(), torch.zeros(1, 3, 8, 8))
    map_, answers = 4 * 4 * 8 * 8, 4 * 5
    assert found.multiply_adds == 8 * 8 * 27 * 4 + 4 * 8 * 8 * 5
    assert found.written == 2 * map_ + answers
    assert found.alive == 2 * map_, "the map before and after ReLU, then the answers in its place"
    assert found.weights == 27 * 4 + 4 * 8 * 8 * 5 + 5


def test_in_place_results_are_written_and_take_no_memory():
    model = net()
    model[1] = nn.ReLU(inplace=True)
    found = counted(model, torch.zeros(1, 3, 8, 8))
    map_, answers = 4 * 4 * 8 * 8, 4 * 5
    assert found.written == 2 * map_ + answers and found.alive == map_ + answers


def test_what_a_graph_saves_is_what_autograd_saves():
    model = build_model("mini_resnet", (3, 32, 32), 10).train()
    kept: dict[int, torch.UntypedStorage] = {}
    known = {p.untyped_storage()._cdata for p in model.parameters()}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in known:
            kept[storage._cdata] = storage
        return tensor.detach()

    with saved_tensors_hooks(pack, lambda saved: saved):
        graph = model(torch.zeros(20, 3, 32, 32))
    each = sum(storage.nbytes() for storage in kept.values()) / 20
    assert graph.requires_grad
    assert network_of("mini_resnet", 32).saved == pytest.approx(each, rel=0.01)
