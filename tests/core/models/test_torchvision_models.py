"""On large colour images the networks are torchvision's own behind the normalisation."""

import pytest
import torch

from ngf_core.data.torchvision_guard import torchvision
from ngf_core.models.build import build_model
from ngf_core.models.normalise import Normalise

LARGE = (3, 72, 72)


@pytest.mark.parametrize("arch", ["resnet18", "resnet34", "resnet50", "vgg11_bn", "vgg19_bn",
                                  "mobilenet_v2"])
def test_names_and_shapes_are_torchvisions(arch):
    with torch.device("meta"):
        ours, theirs = (model.state_dict() for model in (
            build_model(arch, (3, 224, 224), 1000), torchvision.models.get_model(arch)))
    assert {n: v.shape for n, v in ours.items()} == {n: v.shape for n, v in theirs.items()}


@pytest.mark.parametrize("arch", ["resnet18", "resnet50", "mobilenet_v2"])
def test_logits_are_torchvisions(arch):
    ours = build_model(arch, LARGE, 5).eval()
    theirs = torchvision.models.get_model(arch, num_classes=5).eval()
    theirs.load_state_dict(ours.state_dict())
    x = torch.rand(2, *LARGE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found, expected = ours(x), theirs(Normalise()(x))
    assert torch.equal(found, expected) and found.abs().max() > 0
