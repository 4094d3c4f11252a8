"""Pairs of real tiny models: errors, matched logits, and two faked flattenings that are caught."""

import copy
import math

import pytest
import torch

from ngf_core.audit.measure import Setting, log_ratio, measure_pair
from ngf_core.audit.plane import plane_of_both
from ngf_core.audit.rescaled_layer import rescaled
from ngf_core.curvature.sharpness import Reading
from ngf_core.errors import NGFError
from ngf_core.evidence.audit_verdict import AS_THEY_ARE, MATCHED, judge
from ngf_core.landscape.directions import random_direction
from tests.support.audited_pair import audited_pair
from tests.support.dense_hessian import dense_hessian
from tests.support.seeded import seeded
from tests.support.tiny_models import tiny

IMAGES = (torch.rand(16, 3, 8, 8, generator=seeded(3)), torch.arange(16) % 4)

pytestmark = pytest.mark.filterwarnings("ignore:Using backward")


def trained(seed: int) -> torch.nn.Module:
    """A `Tiny` that has learned the images a little, in evaluation mode."""
    model = tiny(seed)
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(30):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(IMAGES[0]), IMAGES[1]).backward()
        optimiser.step()
    return model.eval()


def nudged(model: torch.nn.Module, seed: int) -> torch.nn.Module:
    """The model after a tiny change of its function, as a purification makes a large one."""
    changed = copy.deepcopy(model)
    noise = torch.randn(changed.linear.weight.shape, generator=seeded(seed))
    changed.linear.weight.data += 0.02 * noise * changed.linear.weight.std()
    return changed


def cooled(model: torch.nn.Module, scale: float) -> torch.nn.Module:
    changed = copy.deepcopy(model)
    for parameter in changed.linear.parameters():
        parameter.data *= scale
    return changed


def found(before, after, seed=0, others=()):
    return audited_pair(seed) | measure_pair(before, after, IMAGES, others, Setting(seed=0))


def test_the_pair_is_measured_as_the_dense_hessian_says():
    before, after = trained(0), trained(1)
    pair = found(before, after, others=[IMAGES])
    for role, model in (("before", before), ("after", after)):
        dense = dense_hessian(copy.deepcopy(model).double(), IMAGES[0].double(), IMAGES[1])
        top = float(torch.linalg.eigvalsh(dense)[-1])
        evidence = pair["evidence"][role]
        assert pair["measures"]["lambda_max"][role]["value"] == pytest.approx(top, rel=1e-3)
        assert evidence["slopes"] == pytest.approx(top, rel=1e-3)
        assert evidence["slopes_off_by"] < 1e-3 and evidence["residual"] < 1e-2 * top
        assert evidence["pyhessian"]["agrees"]
        assert evidence["pyhessian"]["value"] == pytest.approx(top, rel=0.05)
    values = pair["measures"]["trace"]
    assert values[AS_THEY_ARE]["value"] == pytest.approx(
        math.log(values["after"]["value"] / values["before"]["value"]))
    # The further set is the same images here, so that its ratios are those of the table.
    assert pair["other_images"][0]["lambda_max"] == pytest.approx(
        pair["measures"]["lambda_max"][MATCHED]["value"], abs=1e-3)
    for turned in pair["rescaled"].values():
        assert turned["layer"] == "conv1" and turned["difference"] < 1e-4
        assert turned["ratios"]["adaptive_lambda_max"] == pytest.approx(1.0, abs=0.01)
        assert abs(math.log(turned["ratios"]["lambda_max"])) > 0.1


def test_a_faked_flattening_is_caught():
    """Each model's first layer is made larger, which lowers λ_max and changes no answer."""
    pairs = [found(model, rescaled(nudged(model, seed), "conv2", "bn2", 30.0), seed)
             for seed, model in enumerate(map(trained, range(3)))]
    for pair in pairs:
        assert pair["measures"]["trace"][MATCHED]["value"] < -0.1
        assert abs(pair["measures"]["adaptive_lambda_max"][MATCHED]["value"]) < 0.1
    assert judge(pairs).word not in ("flatter", "none")


def test_an_exact_fake_is_called_the_same_function():
    model = trained(0)
    verdict = judge([found(model, rescaled(model, "conv2", "bn2", 30.0))])
    assert verdict.word == "none"
    assert any("the same answers up to the scale" in sentence for sentence in verdict.because)


def test_a_temperature_is_caught():
    pairs = [found(model, cooled(nudged(model, seed), 0.3), seed)
             for seed, model in enumerate(map(trained, range(3)))]
    for pair in pairs:
        assert pair["measures"]["fisher_rao"][AS_THEY_ARE]["value"] < -0.5
        assert abs(pair["measures"]["fisher_rao"][MATCHED]["value"]) < 0.1
        assert pair["logits"]["scale"] == pytest.approx(1 / 0.3, rel=0.05)
    assert judge(pairs).word not in ("flatter", "none")


def test_without_batch_norm_the_control_says_why_it_is_missing():
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 4))
    other = copy.deepcopy(model)
    other[1].weight.data += 0.1
    assert "has a BatchNorm behind it" in found(model, other)["rescaled"]["after"]["reason"]


def test_the_error_of_a_log_ratio_is_paired():
    """By hand: shares that move together leave no error; a value that is not positive, no ratio."""
    shares = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    one, double = Reading(2.0, shares), Reading(4.0, 2 * shares)
    assert log_ratio(double, one) == {"value": pytest.approx(math.log(2)), "error": 0.0}
    flat = Reading(2.0, torch.full((3,), 2.0, dtype=torch.float64))
    assert log_ratio(flat, one)["error"] == pytest.approx(0.5 / math.sqrt(3))
    assert math.isnan(log_ratio(Reading(-1.0, shares), one)["value"])


def test_a_model_without_a_scale_is_refused():
    mute = trained(0)
    for parameter in mute.linear.parameters():
        parameter.data.zero_()
    with pytest.raises(NGFError, match="the same logit for every image"):
        found(trained(0), mute)


def test_a_rescaled_layer_that_changes_the_function_is_told_apart(monkeypatch):
    """As on a device that rounds coarsely: there is a BatchNorm, yet the logits differ."""
    monkeypatch.setattr("ngf_core.audit.measure.SAME", -1.0)
    reason = found(trained(0), trained(1))["rescaled"]["after"]["reason"]
    assert "changed the logits by" in reason and "has a BatchNorm behind it" not in reason


def test_both_models_are_seen_along_the_same_directions():
    """At a corner the weights are moved by hand; the mean loss there is the plane's."""
    before, after = trained(0), trained(1)
    seen = plane_of_both(before, after, IMAGES, seed=5)
    u, v = (random_direction(before, generator) for generator in [seeded(5)] for _ in range(2))
    assert seen["side"] == pytest.approx([-1 + 0.2 * i for i in range(11)])
    for role, model in (("before", before), ("after", after)):
        moved = copy.deepcopy(model)
        with torch.no_grad():
            for name, weight in moved.named_parameters():
                weight += seen["side"][10] * u.get(name, 0) + seen["side"][2] * v.get(name, 0)
        loss = torch.nn.functional.cross_entropy(moved(IMAGES[0]), IMAGES[1])
        assert seen[role][2][10] == pytest.approx(loss.item(), rel=1e-4)


def test_a_plane_of_the_tuned_layer_moves_that_alone():
    model, other = trained(0), trained(0)
    other.linear.weight.data.zero_()
    other.linear.bias.data.zero_()
    names = ["linear.weight"]
    # Where all classes have the same logit, no other layer can change the loss.
    flat = plane_of_both(model, other, IMAGES, parameters=["conv2.weight"])["after"]
    assert torch.tensor(flat).std() == pytest.approx(0, abs=1e-9)
    assert torch.tensor(plane_of_both(model, other, IMAGES, parameters=names)["after"]).std() > 0.01
