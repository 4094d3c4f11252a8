"""NAD: attention maps by hand, the maps it takes of each architecture, teacher and student."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ngf_core.errors import ConfigError
from ngf_core.models.build import build_model
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.methods.finetune import finetune
from ngf_core.purify.methods.nad import attended, attention, maps, nad
from tests.support.tiny_models import LinearModel, asked, clean_set, seeded_model, tiny


def of(**changes: object):
    return asked("nad", **{"batchnorm": "frozen", "weight_decay": 0} | changes)


def test_attention_is_the_normalised_sum_of_powers():
    seen = torch.tensor([[[[3.0, 0.0]], [[-4.0, 2.0]]]])
    expected = torch.tensor([[9.0 + 16.0, 4.0]])
    assert torch.allclose(attention(seen, 2.0), expected / expected.norm(), atol=1e-5)
    tokens = seen.flatten(2).transpose(1, 2)
    assert torch.equal(attention(seen, 3.0), attention(tokens, 3.0))
    assert torch.allclose(attention(7 * seen, 2.0), attention(seen, 2.0))


@pytest.mark.parametrize(("arch", "expected"), [
    ("mini_preact_resnet", ["blocks.0", "blocks.1", "blocks.2"]),
    ("preact_resnet18", ["blocks.3", "blocks.5", "blocks.7"]),
    ("wide_resnet16_1", ["blocks.1", "blocks.3", "blocks.5"]),
    ("mini_vit", ["blocks.1", "blocks.2", "blocks.3"]),
    ("mini_vgg", ["features.12", "features.19", "features.20"])])
def test_the_maps_of_known_networks(arch, expected):
    model = build_model(arch, (3, 32, 32), 10)
    assert attended(model, torch.zeros(1, 3, 32, 32)) == expected
    assert model.training


def test_a_network_without_maps_is_told_so():
    model = seeded_model(LinearModel, 192, 4).double()
    with pytest.raises(ConfigError, match="this network has none. Use finetune or ft_sam"):
        list(nad(model, clean_set(), *of()))


def test_maps_are_what_the_modules_put_out():
    model, (x, _) = tiny().eval(), (torch.rand(2, 3, 8, 8), 0)
    logits, (first, last) = maps(model, ["conv1", "bn2"], x)
    assert torch.equal(first, model.conv1(x)) and torch.equal(logits, model(x))
    assert torch.equal(last, model.bn2(model.conv2(torch.relu(model.bn1(first)))))
    assert not any(m._forward_hooks for m in model.modules())


def test_passes_of_teacher_and_student():
    own, config = of(steps=18)
    model = tiny()
    received = copy.deepcopy(model.state_dict())
    steps = []
    for step in nad(model, clean_set(), own, config):
        steps.append(step.step)
        changed = any(not torch.equal(v, received[k]) for k, v in model.state_dict().items())
        assert changed == (step.step > 6), "the student waits for its teacher, then moves"
    assert steps == [1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 13, 14, 16, 17, 18]


def test_one_update_of_the_student_written_out():
    own, config = of(weight_decay=0, beta2=30, beta3=70, teacher=0.6, steps=5, lr=0.1)
    model = tiny()
    steps = list(nad(model, clean_set(), own, config))
    assert [s.step for s in steps] == [1, 2, 3, 5]
    teacher, student = tiny(), tiny().eval()
    alone = asked("finetune", steps=3, lr=0.1, batchnorm="frozen")
    assert [s.loss for s in finetune(teacher, clean_set(), *alone)] == pytest.approx(
        [s.loss for s in steps[:3]], rel=1e-5)
    x, y = CleanBatches(clean_set(), config, torch.device("cpu"))(3)
    loss = F.cross_entropy(student(x), y)
    assert steps[3].loss == pytest.approx(loss.item())
    for beta, part in ((30, _first), (70, _second)):
        s, t = (part(m, x).square().sum(1).flatten(1) for m in (student, teacher))
        loss = loss + beta * (F.normalize(s, dim=1) - F.normalize(t, dim=1)).square().mean()
    found = torch.autograd.grad(loss, list(student.parameters()))
    for p, q, g in zip(model.parameters(), student.parameters(), found):
        assert torch.allclose(p, q - 0.1 * g, rtol=1e-3, atol=1e-4)


def _first(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return model.bn1(model.conv1(x))


def _second(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return model.bn2(model.conv2(torch.relu(_first(model, x))))


def test_without_teacher_it_holds_the_received_attention():
    x = clean_set().x.float() / 255

    def drift(beta: int) -> float:
        model = tiny()
        list(nad(model, clean_set(), *of(teacher=0, beta2=beta, beta3=beta, steps=40, lr=0.01)))
        with torch.no_grad():
            now, received = (attention(_second(m, x), 2) for m in (model, tiny().eval()))
            return float((now - received).norm())

    assert drift(30) < 0.7 * drift(0)
