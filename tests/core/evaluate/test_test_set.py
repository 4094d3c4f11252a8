"""ACC, ASR and RA on an example counted by hand."""

import math

import pytest
import torch
from torch import nn

from ngf_core.attacks.attack import build_attack
from ngf_core.data.dataset import Images
from ngf_core.errors import ConfigError
from ngf_core.evaluate.rates import Evaluation, Rate
from ngf_core.evaluate.test_set import build_test_set, evaluate, predict

TARGET = 2
# Labels of eight test images; what the model says of each clean and of each triggered.
LABELS = [0, 1, 2, 2, 3, 0, 1, 3]
CLEAN = [0, 1, 2, 0, 3, 1, 1, 3]      # 6 of 8 right
TRIGGERED = [2, 2, 2, 2, 3, 2, 0, 2]  # of the six not of class 2: 4 say 2, 1 is right, 1 neither


class Scripted(nn.Module):
    """Says what stands above: image i has value 10 * (i + 1), and 255 in a corner if triggered."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.modes: list[bool] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.dtype == torch.uint8
        self.modes.append(self.training)
        image = (x[:, 0, 0, 0] / 10 - 1).long().tolist()
        triggered = (x[:, 0, -1, -1] == 255).tolist()
        said = [(TRIGGERED if t else CLEAN)[i] for i, t in zip(image, triggered)]
        return self.scale * 5 * nn.functional.one_hot(torch.tensor(said), 4).float()


def images() -> Images:
    x = torch.stack([torch.full((1, 8, 8), 10 * (i + 1)) for i in range(8)]).to(torch.uint8)
    return Images(x, torch.tensor(LABELS))


def attack(name: str = "badnets"):
    return build_attack(name, target=TARGET, poison_rate=0.1, seed=0, shape=(1, 8, 8), classes=4)


def test_rates_counted_by_hand():
    test = build_test_set(images(), attack())
    assert evaluate(Scripted(), test) == Evaluation(Rate(6, 8), Rate(4, 6), Rate(1, 6))


def test_a_benign_model_has_clean_accuracy_alone():
    measured = evaluate(Scripted(), build_test_set(images(), None))
    assert measured == Evaluation(Rate(6, 8), None, None)


def test_the_triggered_part_leaves_out_the_target_class():
    test = build_test_set(images(), attack())
    assert test.triggered.y.tolist() == [0, 1, 3, 0, 1, 3]
    assert test.wanted.tolist() == [TARGET] * 6
    assert (test.triggered.x[:, 0, -1, -1] == 255).all()
    assert torch.equal(test.clean.x, images().x)


def test_a_clean_label_attack_is_judged_like_any_other():
    test = build_test_set(images(), attack("sig"))
    assert len(test.triggered) == 6 and test.wanted.tolist() == [TARGET] * 6


@pytest.mark.parametrize("training", [True, False])
def test_measured_in_eval_mode_which_is_put_back(training):
    model = Scripted().train(training)
    evaluate(model, build_test_set(images(), attack()))
    assert set(model.modes) == {False} and model.training is training


def test_the_mode_is_put_back_after_an_error():
    model = nn.Linear(2, 2).train()
    with pytest.raises(RuntimeError):
        predict(model, images().x)
    assert model.training


@pytest.mark.parametrize("batch_size", [1, 3, 8, 100])
def test_probabilities_do_not_depend_on_the_batches(batch_size):
    p = predict(Scripted(), images().x, batch_size)
    assert p.shape == (8, 4) and not p.requires_grad
    assert torch.allclose(p.sum(1), torch.ones(8))
    assert p.argmax(1).tolist() == CLEAN
    e = math.exp(5)
    assert p.max(1).values[0].item() == pytest.approx(e / (e + 3))


def test_no_images():
    with pytest.raises(ConfigError, match="Give at least one image"):
        predict(Scripted(), images().x[:0])
