"""Whether an attack is implanted: both thresholds, and which benign model is the measure."""

from dataclasses import asdict

import pytest

from ngf_core.config import ImportConfig, PurifyConfig, SpectrumConfig, TrainConfig
from ngf_core.runs import Run, RunStore, RunWriter
from ngf_core.runs.attack_check import benign_accuracy, verdict
from ngf_core.runs.manifest import read_manifest, write_manifest


def rates(acc: int, asr: int | None) -> dict:
    return {"acc": {"hits": acc, "n": 1000},
            "asr": None if asr is None else {"hits": asr, "n": 900},
            "ra": None if asr is None else {"hits": 900 - asr, "n": 900}}


def finished(store: RunStore, config, results: dict) -> Run:
    run = store.create(config)
    writer = RunWriter(run)
    writer.begin()
    writer.finish(results)
    return run


def trained(store: RunStore, acc: int, asr: int | None = None, **settings: object) -> Run:
    attack = "none" if asr is None else "badnets"
    return finished(store, TrainConfig(attack=attack, **settings), {"train": rates(acc, asr)})


def test_an_attack_that_took(store):
    trained(store, 980)
    assert verdict(trained(store, 960, 890), store) is None


@pytest.mark.parametrize(("asr", "implanted"), [(810, True), (809, False), (900, True), (0, False)])
def test_asr_must_be_90_percent(store, asr, implanted):
    says = verdict(trained(store, 980, asr), store)
    assert (says is None) == implanted
    if not implanted:
        assert says.startswith(f"ASR is {100 * asr / 900:.1f} %, below 90 %")
        assert "Train longer" in says


def test_who_painted_too_faintly_is_told_to_paint_more(store):
    run = finished(store, TrainConfig(attack="painted"), {"train": rates(980, 500)})
    says = verdict(run, store)
    assert says.startswith("ASR is 55.6 %, below 90 %") and "default strength" not in says
    assert "paint a trigger that is larger or less faint" in says


@pytest.mark.parametrize(("acc", "implanted"), [(951, True), (949, False), (999, True)])
def test_clean_accuracy_may_lose_3_points(store, acc, implanted):
    trained(store, 980)
    says = verdict(trained(store, acc, 900), store)
    assert (says is None) == implanted
    if not implanted:
        assert ("Clean accuracy is 94.9 %, more than 3 points below the benign model's 98.0 %"
                in says)


@pytest.mark.parametrize(("attack", "made"), [
    ("images", "Check that the triggered images and the target label are those of this model"),
    ("badnets", "Check that the attack, its strength and its parameters and the target label")])
def test_who_imported_a_model_is_not_told_to_train_it(store, attack, made):
    config = ImportConfig(normalisation="ngf", attack=attack)
    run = finished(store, config, {"import": rates(980, 500)})
    says = verdict(run, store)
    assert says.startswith("ASR is 55.6 %, below 90 %") and made in says and "Train" not in says


def test_without_a_benign_model_only_asr_is_judged(store):
    assert verdict(trained(store, 300, 900), store) is None


@pytest.mark.parametrize("other", [{"dataset": "digits"}, {"arch": "preact_resnet18"},
                                   {"epochs": 3}])
def test_a_benign_model_of_another_kind_is_no_measure(store, other):
    trained(store, 990, **other)
    assert benign_accuracy(TrainConfig(), store) is None
    assert verdict(trained(store, 900, 900), store) is None


def test_the_same_seed_is_preferred_else_the_newest(store):
    trained(store, 950, seed=1)
    trained(store, 960, seed=2)
    trained(store, 970, asr=900, seed=3)
    assert benign_accuracy(TrainConfig(seed=1), store) == 0.95
    assert benign_accuracy(TrainConfig(seed=2), store) == 0.96
    assert benign_accuracy(TrainConfig(seed=3), store) in (0.95, 0.96)


def test_an_unfinished_benign_run_is_no_measure(store):
    store.create(TrainConfig(attack="none"))
    assert benign_accuracy(TrainConfig(), store) is None


def test_a_benign_model_has_no_verdict(store):
    assert verdict(trained(store, 200), store) is None


def test_a_run_without_results_has_no_verdict(store):
    assert verdict(store.create(TrainConfig()), store) is None


def test_everything_made_of_a_weak_attack_says_so(store):
    weak = trained(store, 980, 500)
    purified = finished(store, PurifyConfig(source=weak.id), {
        "before": rates(980, 500), "train_config": asdict(TrainConfig())})
    spectrum = finished(store, SpectrumConfig(source=purified.id), {})
    of_train = finished(store, SpectrumConfig(source=weak.id), {})
    says = verdict(weak, store)
    assert says.startswith("ASR is 55.6 %")
    assert [verdict(run, store) for run in (purified, spectrum, of_train)] == [says] * 3
    running = store.create(PurifyConfig(source=weak.id))
    assert verdict(running, store) == says
    weak.delete()
    assert verdict(spectrum, store) == says and verdict(of_train, store) is None


def test_damaged_rates_of_another_run_are_passed_over(store):
    benign = trained(store, 990)
    broken = read_manifest(benign.path)
    broken["results"]["train"]["acc"] = 0.99
    write_manifest(benign.path, broken)
    assert verdict(trained(store, 900, 890), store) is None, "no benign model to compare with"
