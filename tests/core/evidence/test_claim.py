"""The claim's measures against dense matrices, and its loop over runs: resumed, gathered."""

import math

import pytest
import torch

from ngf_core.curvature.sharpness import Subject
from ngf_core.curvature.sharpness.measure import measure_sharpness
from ngf_core.errors import ConfigError
from ngf_core.evidence import claim, entrants, sharpness
from ngf_core.evidence.cells import Cell, cells
from ngf_core.evidence.claim import (
    COLUMNS,
    claim_readings,
    claim_table,
    measure_claim,
)
from ngf_core.evidence.sharpness import image_sets, measure_sharpness_of, measured
from ngf_core.evidence.verdict import MEASURES
from ngf_core.runs import RunStore
from ngf_core.runs.names import ZOO_ARCH
from ngf_core.trained.load import load_trained
from tests.core.evidence.conftest import ATTACKS
from tests.support.dense_hessian import dense_hessian
from tests.support.known_spectra import descending
from tests.support.sharpness_subjects import flat_weights
from tests.support.small_networks import case

# Two attacks are computed once, by whichever process runs this group.
pytestmark = pytest.mark.xdist_group("benchmark")


def read(model, x, y, layer: str = "", seed: int = 0) -> dict[str, dict]:
    rows = measure_sharpness_of(model, layer, {"held_out": (x, y)}, seed)
    return {row["measure"]: row for row in rows}


@pytest.mark.parametrize("layer, names", [("", None), ("0", ["0.weight", "0.bias"]),
                                          ("0, 3", ["0.weight", "0.bias", "3.weight", "3.bias"])])
def test_eigenvalues_and_traces_against_the_dense_hessian(layer, names):
    net, x, y = case("conv_bn")
    h = dense_hessian(net, x, y, names)
    weights = {n: p for n, p in net.named_parameters() if names is None or n in names}
    d = torch.cat([p.detach().double().reshape(-1) for p in weights.values()]).abs()
    tries = [read(net, x, y, layer, seed) for seed in range(10)]
    for prefix, matrix in (("", h), ("adaptive_", d[:, None] * h * d)):
        top = descending(matrix)[0].item()
        for found in tries:
            row = found[f"{prefix}lambda_max"]
            assert abs(row["value"] - top) <= row["computation_error"] + 1e-5 * top
        values = torch.tensor([found[f"{prefix}trace"]["value"] for found in tries]).double()
        truth = matrix.trace().item()
        error = values.std().item() / math.sqrt(len(tries)) + 1e-5 * truth
        assert abs(values.mean().item() - truth) < 4 * error


def test_errors_over_images_are_those_of_the_sharpness_package():
    net, x, y = case("residual", 30)
    mine = read(net, x, y)
    theirs = measure_sharpness(Subject(net, (x, y), dtype=torch.float64),
                               ("lambda_max", "adaptive_lambda_max"))
    for name, reading in theirs.items():
        assert mine[name]["error"] == pytest.approx(reading.sampling_error, rel=0.05)
        assert mine[name]["n"] == 30


def test_a_traces_error_over_images_holds_one_probes_noise():
    """E[n error^2] is the variance over images of s^T A_i s, A_i = D H_i D, with s = signs outside
    the leading eigenvector and the same for all images: in closed form from the dense Hessians."""
    net, x, y = case("linear", 8)
    hessians = torch.stack([dense_hessian(net, x[i:i + 1], y[i:i + 1]) for i in range(8)])
    tries = [read(net, x, y, seed=seed) for seed in range(16)]
    d = flat_weights(net).double().abs()
    for prefix, each in (("", hessians), ("adaptive_", d[:, None] * hessians * d)):
        v = torch.linalg.eigh(each.mean(0)).eigenvectors[:, -1]
        apart = torch.eye(len(v)).double() - torch.outer(v, v)
        centred = apart @ (each - each.mean(0)) @ apart
        noise = 2 * (centred.square().sum((1, 2))
                     - centred.diagonal(dim1=1, dim2=2).square().sum(1))
        traces = each.diagonal(dim1=1, dim2=2).sum(1)
        expected = traces.var() + noise.sum() / 7
        found = torch.tensor([8 * read[f"{prefix}trace"]["error"] ** 2 for read in tries])
        assert abs(found.mean() - expected) < 3 * found.std() / 4
        assert expected > 1.1 * traces.var()  # so that the test sees the noise


def test_every_model_set_measure_and_parameters_once():
    net, x, y = case("conv_bn")
    rows = measure_claim({"benign": net, "ngf": net}, "3",
                         {"held_out": (x, y), "defender": (x[:7], y[:7])})
    keys = [(r["model"], r["images"], r["parameters"], r["measure"]) for r in rows]
    assert len(keys) == len(set(keys)) == 2 * 2 * 2 * 4
    assert {r["n"] for r in rows if r["images"] == "defender"} == {7}
    same = {r["model"]: r["value"] for r in rows if r["measure"] == "trace"
            and r["images"] == "held_out" and r["parameters"] == "layer"}
    assert same["benign"] == same["ngf"]  # one seed: the same probes for all models


def test_a_layer_that_is_not_there_is_named():
    net, x, y = case("conv_bn")
    with pytest.raises(ConfigError, match="no layer 'nose'"):
        measure_claim({"benign": net}, "nose", {"held_out": (x, y)})


def test_the_global_random_state_is_left_alone():
    net, x, y = case("linear")
    state = torch.random.get_rng_state()
    read(net, x, y)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.fixture
def asked(finished, monkeypatch) -> tuple[list[Cell], RunStore]:
    """The finished benchmark's cells; full fine-tuning stands in for NGF, which takes longer."""
    monkeypatch.setattr(claim, "CLAIMED", ("finetune",))
    monkeypatch.setattr(claim, "LAYER_OF", "finetune")
    monkeypatch.setattr(sharpness, "IMAGES", 10)
    wanted = list(cells("signs", ZOO_ARCH, ATTACKS, ("finetune",), (0,)))
    return wanted, RunStore(finished.out)


def test_each_model_is_measured_once_and_gathered(asked):
    wanted, store = asked
    readings = claim_readings(wanted, store)
    # A benign, two backdoored and two purified models, over all parameters and over the layer.
    assert len(readings) == 5 * 2
    for reading in readings[:3]:
        measured(*reading, store.root)
    assert claim_readings(wanted, store) == readings[3:]
    for reading in readings[3:]:
        measured(*reading, store.root)
    assert claim_readings(wanted, store) == []
    floors = {(attack, 0): {"acc": {"hits": 5, "n": 10}, "asr": {"hits": 1, "n": 8}}
              for attack in ATTACKS}
    table = claim_table(wanted, floors, store)
    assert list(table) == list(COLUMNS)
    assert len(table) == 2 * 3 * 2 * 2 * len(MEASURES)
    assert not table.duplicated(["attack", "seed", "model", "images", "parameters",
                                 "measure"]).any()
    benign = table[table.model == "benign"]
    assert set(benign.asr) == {1 / 8} and set(benign.acc) == {5 / 10}
    said = store.get("signs-blend-s0-finetune").results["finetune"]["asr"]
    mine = table[(table.attack == "blend") & (table.model == "finetune")]
    assert set(mine.asr) == {said["hits"] / said["n"]}
    assert set(mine.layer) == {store.get("signs-blend-s0-finetune").results["layer"]}


def test_the_table_holds_what_was_measured_on_the_models(asked):
    wanted, store = asked
    for reading in claim_readings(wanted, store):
        measured(*reading, store.root)
    table = claim_table(wanted, {}, store)
    source = load_trained("signs-badnets-s0-finetune", store)
    rows = measure_claim({"finetune": source.models["finetune"]}, source.layer,
                         image_sets(source.dataset, 0.05))
    key = ["images", "parameters", "measure"]
    mine = table[(table.attack == "badnets") & (table.model == "finetune")].set_index(key)
    for row in rows:
        assert mine.loc[tuple(row[k] for k in key), "value"] == row["value"]


def test_the_two_sets_share_no_image_and_are_as_they_are(asked):
    source = load_trained("signs-badnets-s0-train", asked[1])
    sets = image_sets(source.dataset, 0.05)
    held, mine = ({image.numpy().tobytes() for image in sets[name][0]} for name in sets)
    assert len(held) == len(mine) == 10 and not held & mine
    defenders = {(image.float() / 255).numpy().tobytes() for image in source.dataset.clean(0.05).x}
    assert mine <= defenders


def test_what_ngf_has_not_purified_has_no_tuned_layer_yet(asked):
    wanted, store = asked
    for reading in claim_readings(wanted, store):
        measured(*reading, store.root)
    without = [cell for cell in wanted if cell.entrant != "finetune" or cell.attack != "blend"]
    table = claim_table(without, {}, store)
    blend = table[table.attack == "blend"]
    assert set(blend.parameters) == {"all"} and set(blend.model) == {"benign", "backdoored"}
    assert set(blend.layer) == {""}
    assert set(table[table.attack == "badnets"].parameters) == {"all", "layer"}


def test_ngf_on_a_layer_chosen_by_rule_is_read_over_all_parameters_alone(asked, monkeypatch):
    """It may have tuned another layer than that in which all others are compared."""
    monkeypatch.setattr(claim, "BY_RULE", "finetune")
    monkeypatch.setattr(sharpness, "IMAGES", 11)  # nothing is kept of so many
    over = {}
    for run, model, layer in claim_readings(*asked):
        over.setdefault((run, model), []).append(bool(layer))
    assert {model: where for (_, model), where in over.items()} == {
        "before": [False, True], "finetune": [False]}


def test_a_model_has_its_methods_name_in_its_run(asked, monkeypatch):
    """As NGF on a layer chosen by rule, whose method is NGF's."""
    monkeypatch.setattr(claim, "ENTRANTS", {"finetune": entrants.ENTRANTS["ablate_auto_layer"]})
    assert {(name, model) for _, name, _, model, _ in claim._models(*asked)} == {
        ("benign", "before"), ("backdoored", "before"), ("finetune", "ngf")}
