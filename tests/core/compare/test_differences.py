"""Differences against closed forms, and every refusal in its words."""

import math

import pytest

from ngf_core.compare.differences import compare
from ngf_core.compare.intervals import IMAGES, POINTS, RATIO, REPEATS, SEEDS
from ngf_core.errors import ConfigError
from ngf_core.runs.manifest import change_manifest
from tests.core.compare.conftest import told
from tests.support.fabricated_runs import make_run

T_2, T_1 = 4.302653, 12.706205  # 97.5 % quantiles of t with 2 and 1 degrees of freedom


def only(found, measure, model="before"):
    (row,) = [row for row in found.rows if (row.model, row.measure) == (model, measure)]
    return row


def spectrum_of(store, run, lambda_max, error, residual=0.0, trace=200.0, **fields):
    """A spectrum of a training; `error` is that of λ_max over images."""
    return told(make_run(store, "spectrum", source=run.id, **fields), {
        "before.lambda_max": lambda_max, "before.residual": residual, "before.trace": trace,
        "before.sharpness.lambda_max.sampling_error": error})


# ---- intervals


def test_one_pair_has_the_interval_of_images(store, trained):
    found = compare([trained(acc=(48, 80)), trained(acc=(56, 70), epochs=3)], store)
    assert found.refused[0] == (
        "B − A, ACC of the received model: the number of images is 70 in B and 80 in A.")
    found = compare([trained(acc=(3, 10)), trained(acc=(9, 10), epochs=3)], store)
    row = only(found, "acc")
    assert (row.unit, row.over, row.count, row.n) == (POINTS, IMAGES, 1, 10)
    assert (row.base, row.value, row.change) == pytest.approx((0.3, 0.9, 0.6))
    assert (row.low, row.high) == pytest.approx((0.1705, 0.8090), abs=6e-5)  # Newcombe 1998
    assert row.resolved


def test_three_seeds_have_the_paired_t_interval(store, trained):
    base = [trained(seed=seed, asr=(hits, 900)) for seed, hits in enumerate((450, 600, 780))]
    more = [trained(seed=seed, asr=(hits, 900), epochs=3)
            for seed, hits in enumerate((360, 420, 690))]
    found = compare([*base, *more], store)
    row = only(found, "asr")
    assert (row.over, row.count) == (SEEDS, 3)
    changes = [-0.1, -0.2, -0.1]
    mean = sum(changes) / 3
    half = T_2 * math.sqrt(sum((one - mean)**2 for one in changes) / 2 / 3)
    assert (row.change, row.low, row.high) == pytest.approx((mean, mean - half, mean + half))
    assert row.runs == tuple(run.id for run in more)
    assert row.base_runs == tuple(run.id for run in base)


def test_repeats_of_a_seed_are_averaged_before_seeds_are_counted(store, trained):
    sources = [trained(seed=seed).id for seed in (0, 1)]
    runs = []
    for steps, hits in ((10, (90, 90, 90)), (20, (60, 40, 80))):
        for source, seed, count in zip((sources[0], sources[0], sources[1]), (0, 1, 0), hits,
                                       strict=True):
            run = make_run(store, "purify", source=source, seed=seed, steps=steps)
            told(run, {"ngf.asr": {"hits": count, "n": 100}})
            runs.append(run)
    row = only(compare(runs, store), "asr", "ngf")
    assert (row.over, row.count) == (SEEDS, 2)
    assert row.change == pytest.approx((-0.4 - 0.1) / 2)
    assert (row.low, row.high) == (-1, 1)  # wider than a change can be


def test_repeats_of_one_seed_say_so(store, trained):
    source, runs = trained().id, []
    for steps, hits in ((10, (90, 80)), (20, (60, 40))):
        for seed, count in enumerate(hits):
            run = make_run(store, "purify", source=source, seed=seed, steps=steps)
            told(run, {"ngf.asr": {"hits": count, "n": 100}})
            runs.append(run)
    row = only(compare(runs, store), "asr", "ngf")
    assert (row.over, row.count) == (REPEATS, 2)
    assert (row.change, row.high) == pytest.approx((-0.35, -0.35 + T_1 * 0.05))


def test_sharpness_of_one_pair_is_a_ratio_with_the_errors_of_both(store, trained):
    one, other = trained(), trained(epochs=3)
    spectrum_of(store, one, 100.0, 3.0, residual=0.4)
    spectrum_of(store, other, 50.0, 4.0, residual=0.3)
    row = only(compare([one, other], store), "lambda_max")
    assert (row.unit, row.over, row.n) == (RATIO, IMAGES, 150)
    spread = math.hypot(math.hypot(3, 0.4) / 100, math.hypot(4, 0.3) / 50)
    assert row.change == pytest.approx(0.5)
    assert row.low == pytest.approx(0.5 * math.exp(-1.959964 * spread))
    assert row.high == pytest.approx(0.5 * math.exp(1.959964 * spread))


def test_sharpness_over_seeds_is_a_geometric_mean(store, trained):
    runs, ratios = [], (0.5, 0.25, 2.0)
    for epochs in (20, 3):
        for seed, ratio in enumerate(ratios):
            run = trained(seed=seed, epochs=epochs)
            spectrum_of(store, run, 100.0 * (ratio if epochs == 3 else 1), 1.0)
            runs.append(run)
    row = only(compare(runs, store), "lambda_max")
    logs = [math.log(ratio) for ratio in ratios]
    mean = sum(logs) / 3
    half = T_2 * math.sqrt(sum((one - mean)**2 for one in logs) / 2 / 3)
    assert (row.change, row.low, row.high) == pytest.approx(
        tuple(map(math.exp, (mean, mean - half, mean + half))))
    assert row.base == pytest.approx(100.0) and row.value == pytest.approx(100 * math.exp(mean))
    assert not row.resolved


def test_repeats_alone_have_a_mean_and_no_difference(store, trained):
    runs = [trained(seed=seed, acc=(hits, 1000)) for seed, hits in enumerate((700, 720, 770))]
    found = compare(runs, store)
    assert len(found.groups) == 1
    row = only(found, "acc")
    assert math.isnan(row.change) and math.isnan(row.base) and not row.resolved
    values = [0.7, 0.72, 0.77]
    half = T_2 * math.sqrt(sum((one - 0.73)**2 for one in values) / 2 / 3)
    assert (row.value, row.low, row.high) == pytest.approx((0.73, 0.73 - half, 0.73 + half))
    assert (row.over, row.count) == (SEEDS, 3)


def test_the_baseline_may_be_any_and_turns_the_sign(store, trained):
    runs = [trained(acc=(300, 1000)), trained(acc=(900, 1000), epochs=3)]
    assert only(compare(runs, store, runs[1].id), "acc").change == pytest.approx(-0.6)
    assert compare(runs, store, runs[1].id).command == (
        f"python -m ngf_core compare {runs[0].id} {runs[1].id} --baseline {runs[1].id}")


def test_races_of_one_method_each_are_compared_across_methods(store, trained):
    source = trained().id
    races = [make_run(store, "purify", source=source, methods=(method,))
             for method in ("ngf", "sgd")]
    row = only(compare(races, store), "asr", "purified")
    assert row.change == pytest.approx(0.6, abs=0.1) and row.base == pytest.approx(0.01, abs=1e-3)


# ---- refusals


def refusals(runs, store):
    return "\n".join(compare(runs, store).refused)


def test_another_data_set_network_engine_and_checksum_are_refused_each(store, trained):
    one = trained()
    other = trained(dataset="digits", arch="mini_vgg")
    change_manifest(other.path, data_sha="f" * 64, engine=7)
    found = compare([one, other], store)
    assert not found.rows
    engine = one.manifest["engine"]
    for says in ("the data set is Digits in B and Signs in A.",
                 "the network is mini_vgg in B and mini_preact_resnet in A.",
                 "the checksum of the data is ffffffff in B and 00000000 in A.",
                 f"the engine (the version of the computation) is 7 in B and {engine} in A."):
        assert f"B − A, all numbers: {says}" in found.refused
    assert len(found.refused) == 4


def test_other_kinds_are_refused(store, trained):
    model = trained()
    found = compare([model, make_run(store, "purify", source=model.id)], store)
    assert not found.rows and found.refused == (
        "B − A, all numbers: the kind of run is purification in B and training in A.",)


def test_another_attack_or_label_forbids_asr_and_ra_alone(store, trained):
    found = compare([trained(), trained(attack="blend", target=3)], store)
    assert {row.measure for row in found.rows} == {"acc"}
    assert found.refused == (
        "B − A, ASR and RA: the attack is blend in B and badnets in A.",
        "B − A, ASR and RA: the attacker's label is 3 in B and 0 in A.")


@pytest.mark.parametrize(("fields", "says"), [
    ({"operator": "ggn"}, "the matrix is ggn in B and hessian in A."),
    ({"samples": 60}, "the number of images is {} in B and {} in A."),
    ({"seed": 3}, "the seed of the images is 3 in B and 0 in A."),
    ({"parameters": "layer"}, "the parameters is the tuned layer's in B and all in A.")])
def test_spectra_under_other_conditions_are_not_divided(store, trained, fields, says):
    one, other = trained(), trained(epochs=3)
    spectra = [spectrum_of(store, one, 100.0, 1.0), spectrum_of(store, other, 50.0, 1.0, **fields)]
    found = compare([one, other], store)
    assert {row.measure for row in found.rows} == {"acc", "asr", "ra"}
    samples = [run.results["samples"] for run in reversed(spectra)]
    assert f"B − A, sharpness: {says.format(*samples)}" in found.refused


def test_the_tuned_layer_matters_where_the_matrix_is_its_own(store, trained):
    one, other = trained(), trained(epochs=3)
    spectrum_of(store, one, 100.0, 1.0, parameters="layer")
    told(spectrum_of(store, other, 50.0, 1.0, parameters="layer"), {"layer": "conv1"})
    assert "B − A, sharpness: the tuned layer is conv1 in B and blocks.2.conv1 in A." in refusals(
        [one, other], store)


@pytest.mark.parametrize(("value", "residual", "says"), [
    (None, None, "in B the value is not finite"),  # a manifest holds null for inf and nan
    (50.0, 0.6, "in B 50 has not converged (residual 0.6)"),
    (-3.0, 0.0, "in B -3 is not positive, so there is no ratio")])
def test_a_value_that_is_none_is_not_divided(store, trained, value, residual, says):
    one, other = trained(), trained(epochs=3)
    spectrum_of(store, one, 100.0, 1.0)
    spectrum_of(store, other, value, 1.0, residual=residual)
    found = compare([one, other], store)
    assert f"B − A, λ_max of the received model: {says}." in found.refused
    assert not [row for row in found.rows if row.measure == "lambda_max"]
    assert [row for row in found.rows if row.measure == "trace"]


def test_a_missing_spectrum_is_said_once(store, trained):
    one, other = trained(), trained(epochs=3)
    spectrum_of(store, one, 100.0, 1.0)
    found = compare([one, other], store)
    assert found.refused == ("B − A, sharpness: there is no finished spectrum in B.",)


def test_a_training_is_measured_by_the_spectrum_of_its_race(store, trained):
    runs = [trained(), trained(epochs=3)]
    for run, value in zip(runs, (100.0, 50.0), strict=True):
        race = make_run(store, "purify", source=run.id)
        told(make_run(store, "spectrum", source=race.id), {"before.lambda_max": value})
    found = compare(runs, store)
    assert only(found, "lambda_max").change == pytest.approx(0.5)
    assert {row.model for row in found.rows} == {"before"} and not found.refused
    spectrum_of(store, runs[1], 25.0, 1.0)  # its own comes first
    assert only(compare(runs, store), "lambda_max").change == pytest.approx(0.25)


def test_an_error_that_was_not_recorded_gives_no_interval(store, trained):
    one, other = trained(), trained(epochs=3)
    spectrum_of(store, one, 100.0, 1.0)
    spectrum_of(store, other, 50.0, None)
    row = only(compare([one, other], store), "lambda_max")
    assert row.change == pytest.approx(0.5) and math.isnan(row.low) and not row.resolved


def test_a_destroyed_model_is_named_and_its_sharpness_left_out(store, trained):
    one, other = trained(acc=(900, 1000)), trained(acc=(104, 1000), epochs=3)
    spectrum_of(store, one, 100.0, 1.0)
    spectrum_of(store, other, 2e13, 1.0)
    found = compare([one, other], store)
    assert {row.measure for row in found.rows} == {"acc", "asr", "ra"}
    assert found.refused == (
        "B − A, sharpness of the received model: in B the model's ACC is at chance: it is "
        "destroyed, and its sharpness says nothing.",)
    assert found.notes == ("B, the received model: ACC 10.4 % is at chance. The model is "
                           "destroyed, so that its ASR is no success.",)


def test_a_benign_model_has_no_asr_to_subtract(store, trained):
    found = compare([trained(), trained(attack="none", asr=None, ra=None)], store)
    assert found.refused[0] == "B − A, ASR and RA: the attack is none in B and badnets in A."
    assert {row.measure for row in found.rows} == {"acc"}


def test_a_rate_of_no_images_is_not_subtracted(store, trained):
    found = compare([trained(), trained(epochs=3, asr=(0, 0))], store)
    assert "B − A, ASR of the received model: in B no image was counted." in found.refused


def test_runs_without_final_numbers_say_their_state(store, trained):
    one = trained()
    for state in ("queued", "running", "failed", "cancelled", "lost"):
        other = make_run(store, "train", state=state, epochs=7)
        found = compare([one, other], store)
        assert not found.rows
        assert found.refused[0].startswith(f"B is {state} and has no final numbers")
    assert "no longer finite" in refusals([one, make_run(store, "train", state="failed")], store)


def test_other_seeds_are_no_pair(store, trained):
    assert refusals([trained(seed=0), trained(seed=1, epochs=3)], store) == (
        "B, all numbers: differences are taken seed by seed, and the training seed is 1 in B and 0 "
        "in the baseline.")


def test_a_repeat_too_many_is_said(store, trained):
    assert refusals([trained(), trained(epochs=3), trained(epochs=3)], store) == (
        "C, all numbers: differences are taken seed by seed, and the training seed is 0 in C and 0 "
        "in the baseline, where each run has its partner.")


def test_a_source_that_is_gone_is_said(store, trained):
    model = trained()
    race = make_run(store, "purify", source=model.id)
    one, other = (make_run(store, "spectrum", source=race.id, k=k) for k in (3, 4))
    race.delete()
    assert "There is no run" in refusals([one, other], store)


def test_a_model_of_one_run_alone_is_said(store, trained):
    source = trained().id
    races = [make_run(store, "purify", source=source, methods=methods)
             for methods in (("ngf", "sgd"), ("ngf", "finetune"))]
    found = compare(races, store)
    assert "B − A, Fine-tuning: only B has it." in found.refused
    assert "B − A, SGD: only A has it." in found.refused
    assert {row.model for row in found.rows} == {"before", "ngf"}


def test_audits_and_landscapes_hold_nothing_to_subtract(store, trained):
    source = make_run(store, "purify", source=trained().id).id
    found = compare([make_run(store, "audit", source=source),
                     make_run(store, "landscape", source=source)], store)
    assert "A is an audit and holds no number of a model that could be subtracted." in found.refused
    assert "B is a landscape and holds no number of a model that could be subtracted." in \
        found.refused


def test_layer_maps_are_subtracted_layer_by_layer(store, trained):
    source = trained().id
    maps = [make_run(store, "layers", source=source, steps=steps) for steps in (50, 60)]
    found = compare(maps, store)
    assert only(found, "asr", "ngf on stem").change == 0
    assert len({row.model for row in found.rows}) == 7


@pytest.mark.parametrize(("count", "says"), [
    (0, "0 is named"), (1, "1 is named, and a comparison needs two"),
    (7, "7 are named, and at most 6 fit one comparison")])
def test_too_few_and_too_many_are_refused(store, trained, count, says):
    with pytest.raises(ConfigError, match=says):
        compare([trained() for _ in range(count)], store)


def test_a_run_twice_and_a_strange_baseline_are_refused(store, trained):
    one, other = trained(), trained()
    with pytest.raises(ConfigError, match="is named twice"):
        compare([one, one], store)
    with pytest.raises(ConfigError, match="nowhere is none of the runs"):
        compare([one, other], store, "nowhere")
