"""The controls: same function at other weights, other scales of logits, finite differences."""

import copy

import pytest
import torch

from ngf_core.audit.logit_scale import likeness, logits, scaled_cross_entropy, size
from ngf_core.audit.measure import SAME
from ngf_core.audit.rescaled_layer import before_batch_norm, rescaled
from ngf_core.audit.slope_check import curvature_by_slopes, off_by
from ngf_core.curvature.sharpness import Subject
from tests.support.dense_hessian import dense_hessian
from tests.support.seeded import seeded
from tests.support.small_networks import case
from tests.support.tiny_models import tiny

IMAGES = torch.rand(12, 3, 8, 8, generator=seeded(3), dtype=torch.float64)
LABELS = torch.arange(12) % 4


def used(seed: int = 0) -> torch.nn.Module:
    """A float64 `Tiny` in evaluation mode whose BatchNorms have seen images."""
    model = tiny(seed).double()
    for _ in range(20):
        model(IMAGES)
    return model.eval()


def test_layers_before_a_batch_norm_are_found_in_their_order():
    assert list(before_batch_norm(used(), IMAGES)) == [("conv1", "bn1"), ("conv2", "bn2")]


def test_without_running_statistics_nothing_can_undo_the_change():
    model = used()
    model.bn1 = torch.nn.BatchNorm2d(4, track_running_stats=False).double()
    assert list(before_batch_norm(model, IMAGES)) == [("conv2", "bn2")]


@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_a_rescaled_layer_gives_the_same_logits_and_another_hessian(factor):
    model = used()
    changed = rescaled(model, "conv2", "bn2", factor)
    assert torch.allclose(changed(IMAGES), model(IMAGES), rtol=1e-12, atol=1e-13)
    assert torch.allclose(changed.conv2.weight, factor * model.conv2.weight)
    before, after = (torch.linalg.eigvalsh(dense_hessian(m, IMAGES, LABELS))[-1]
                     for m in (model, changed))
    assert abs(after / before - 1) > 0.1
    assert torch.equal(model.bn2.running_mean, used().bn2.running_mean)  # the original is untouched


def test_a_layer_that_is_used_elsewhere_too_changes_the_function():
    """The stem's output also runs past the BatchNorm, so `measure_pair` must leave it out."""
    model, x, _ = case("residual", 8)
    model, x = model.double().eval(), x.double()
    differences = [likeness(logits(model, x), logits(rescaled(model, *names, 0.1), x)).difference
                   for names in before_batch_norm(model, x)]
    assert any(d > SAME for d in differences) and any(d < 1e-12 for d in differences)


def test_logits_have_no_mean_and_their_size_is_that_of_the_rest():
    model = used()
    z = model(IMAGES).detach()
    found = logits(model, IMAGES)
    assert torch.allclose(found, z - z.mean(1, keepdim=True))
    assert size(found) == pytest.approx(float((z - z.mean(1, keepdim=True)).norm(dim=1).mean()))


def test_one_function_at_another_temperature_is_recognised():
    model, hotter, other = used(), used(), used(1)
    hotter.linear.weight.data *= 0.5
    hotter.linear.bias.data *= 0.5
    same = likeness(logits(model, IMAGES), logits(hotter, IMAGES))
    assert (same.scale, same.difference) == (pytest.approx(2.0), pytest.approx(0.0, abs=1e-12))
    assert likeness(logits(model, IMAGES), logits(other, IMAGES)).difference > 0.1


def test_the_scaled_loss_is_that_of_scaled_logits():
    z = torch.randn(5, 4, generator=seeded(0), dtype=torch.float64)
    expected = torch.nn.functional.cross_entropy(3 * z, LABELS[:5])
    assert torch.equal(scaled_cross_entropy(3.0)(z, LABELS[:5]), expected)


def test_finite_differences_find_the_curvature_of_the_dense_hessian():
    model = used()
    dense = dense_hessian(model, IMAGES, LABELS)
    values, vectors = torch.linalg.eigh(dense)
    subject = Subject(model, (IMAGES, LABELS), dtype=torch.float64)
    assert curvature_by_slopes(subject, 3 * vectors[:, -1]) == pytest.approx(
        float(values[-1]), rel=1e-5)
    assert off_by(1.1, 1.0) == pytest.approx(0.1)


def test_a_wrong_eigenvector_is_caught_by_finite_differences():
    model = used()
    values, vectors = torch.linalg.eigh(dense_hessian(model, IMAGES, LABELS))
    subject = Subject(copy.deepcopy(model), (IMAGES, LABELS), dtype=torch.float64)
    assert off_by(float(values[-1]), curvature_by_slopes(subject, vectors[:, -2])) > 0.01


def test_a_relu_that_turns_nearby_does_not_spoil_the_finite_differences():
    """Its input is zero 2e-8 away along the direction, which 1e-7 would have passed."""
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2, 1, bias=False),
                                torch.nn.ReLU(), torch.nn.Linear(1, 2)).double().eval()
    images, labels = torch.tensor([[[[1.0, 0.0]]]], dtype=torch.float64), torch.tensor([1])
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([[2e-8, 0.3]]))
        model[3].weight.copy_(torch.tensor([[1.0], [-2.0]]))
    v = torch.eye(model[1].weight.numel() + 4, dtype=torch.float64)[0]
    true = float(v @ dense_hessian(model, images, labels) @ v)
    subject = Subject(model, (images, labels), dtype=torch.float64)
    assert true > 0.1 and curvature_by_slopes(subject, v) == pytest.approx(true, rel=1e-5)
