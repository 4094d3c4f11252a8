"""What stands behind a run: every run of the zoo, deleted sources, results that cannot be."""

import re
from dataclasses import asdict

import pytest

from ngf_core.config import (
    LandscapeConfig,
    LayersConfig,
    PurifyConfig,
    SpectrumConfig,
    TrainConfig,
)
from ngf_core.errors import RunError
from ngf_core.evaluate.rates import Evaluation, Rate
from ngf_core.runs import Run, RunStore, RunWriter, default_store
from ngf_core.runs.lineage import (
    holder_of,
    model_files,
    received_rates,
    training_behind,
    training_of,
    weights_sha,
    with_sources,
)
from ngf_core.runs.manifest import write_manifest
from tests.support.fabricated_runs import make_run

ZOO = default_store().shipped
TRAINED = TrainConfig(attack="blend", seed=7)
RATES = {"acc": {"hits": 95, "n": 100}, "asr": {"hits": 80, "n": 90}, "ra": {"hits": 9, "n": 90}}


def made(store: RunStore, config, results: dict) -> Run:
    run = store.create(config)
    writer = RunWriter(run)
    writer.begin()
    writer.finish(results)
    return run


@pytest.fixture
def chain(store) -> dict[str, Run]:
    """A finished run of each kind on one trained model; the measurements on its purification."""
    train = made(store, TRAINED, {"train": RATES})
    race = made(store, PurifyConfig(source=train.id), {
        "before": RATES, "ngf": RATES, "train_config": asdict(TRAINED)})
    return {"train": train, "purify": race,
            "layers": made(store, LayersConfig(source=train.id),
                           {"before": RATES, "map": [], "train_config": asdict(TRAINED)}),
            "spectrum": made(store, SpectrumConfig(source=race.id), {"samples": 3}),
            "landscape": made(store, LandscapeConfig(source=race.id), {"samples": 3})}


def rewritten(run: Run, **results: object) -> None:
    """The run's manifest with other results, as a hand or another program may leave it."""
    manifest = run.manifest
    manifest["results"] |= results
    write_manifest(run.path, manifest)


@pytest.mark.parametrize("folder", sorted(ZOO.glob("*-s0-*")), ids=lambda folder: folder.name)
def test_every_run_of_the_zoo(folder):
    """Its name says the attack; the training run of that name is what stands behind it."""
    run, (network, attack, seed, kind) = Run(folder, shipped=True), folder.name.rsplit("-", 3)
    store, dataset = RunStore(ZOO), network.partition("-")[0]
    expected = Run(ZOO / f"{network}-{attack}-{seed}-train").config
    assert training_of(run, store) == expected == training_behind(run.config, store)
    assert (expected.dataset, expected.attack, expected.seed) == (dataset, attack, int(seed[1:]))
    holder = {"train": "train", "layers": "train"}.get(kind, "race")
    assert holder_of(run, store).id == f"{network}-{attack}-{seed}-{holder}"
    received = received_rates(run, store)
    assert received.acc.value > 0.95 and (received.asr is None) == (attack == "none")
    if kind in ("train", "race"):
        for name, file in model_files(run).items():
            shapes = {key: tuple(value.shape) for key, value in run.tensors(file).items()}
            assert shapes and run.shapes(file) == shapes, name
            assert re.fullmatch("[0-9a-f]{64}", weights_sha(run, name))


def test_the_files_are_those_on_the_disk():
    run = Run(ZOO / "signs-badnets-s0-race", shipped=True)
    files = model_files(run)
    assert list(files) == ["before", *run.config.names]
    assert {f"{file}.safetensors" for file in files.values()} == {
        path.name for path in run.path.glob("*.safetensors")} - {"attack.safetensors"}
    assert model_files(Run(ZOO / "signs-badnets-s0-train")) == {"before": "model"}


def test_what_stands_behind_each_kind(chain, store):
    for kind, run in chain.items():
        assert training_of(run, store) == TRAINED
        expected = "train" if kind in ("train", "layers") else "purify"
        assert holder_of(run, store) == chain[expected]
        assert received_rates(run, store) == Evaluation(Rate(95, 100), Rate(80, 90), Rate(9, 90))


def test_the_source_of_a_purification_may_be_deleted(chain, store):
    chain["train"].delete()
    for kind in ("purify", "spectrum", "landscape"):
        assert training_of(chain[kind], store) == TRAINED
        assert holder_of(chain[kind], store) == chain["purify"]
    assert training_of(chain["layers"], store) == TRAINED
    with pytest.raises(RunError, match=f"There is no run {chain['train'].id} here"):
        holder_of(chain["layers"], store)


def test_a_purification_that_is_not_done_has_the_model_of_its_source(chain, store):
    begun = store.create(PurifyConfig(source=chain["train"].id))
    assert training_of(begun, store) == TRAINED and holder_of(begun, store) == chain["train"]
    with pytest.raises(RunError, match=f"Run {begun.id} is queued and holds no purified model"):
        model_files(begun)


def test_a_training_that_is_not_done_has_no_rates(store):
    begun = store.create(TRAINED)
    assert training_of(begun, store) == TRAINED and received_rates(begun, store) is None
    with pytest.raises(RunError, match=f"Run {begun.id} has no file model.safetensors .*Wait"):
        weights_sha(begun, "before")


def test_a_measurement_holds_no_model(chain):
    for kind in ("spectrum", "landscape", "layers"):
        with pytest.raises(RunError, match=f"is a {kind} run and holds no model. Name a train or"):
            model_files(chain[kind])


def test_a_method_that_left_no_model_is_not_listed(chain):
    assert chain["purify"].config.names == ("ngf", "sgd")
    assert model_files(chain["purify"]) == {"before": "before", "ngf": "after_ngf"}


@pytest.mark.parametrize("told, why", [
    (None, "train_config is None and not a mapping"), (["signs"], "and not a mapping"),
    ({"epochs": "many"}, "epochs"),
    ({"dataset": "signs", "colour": 3}, "a train run has no such setting"),
    ({"attack": "prayer"}, "prayer")])
def test_results_that_do_not_say_how_the_model_was_trained(chain, store, told, why):
    rewritten(chain["purify"], train_config=told)
    for run in (chain["purify"], chain["spectrum"]):
        with pytest.raises(RunError) as error:
            training_of(run, store)
        said = str(error.value)
        assert said.startswith(f"Run {chain['purify'].id} does not record how its model was "
                               "trained (")
        assert said.endswith("Start it again from the trained model and name the new run.")
        assert why in said


def test_rates_that_are_not_there_are_told(chain, store):
    rewritten(chain["purify"], before={"seconds": 3})
    with pytest.raises(RunError, match="The entry with seconds holds no ACC"):
        received_rates(chain["spectrum"], store)


def test_a_corrupt_manifest_is_told_as_such(chain, store):
    (chain["purify"].path / "manifest.json").write_text("{")
    for ask in (training_of, holder_of, received_rates):
        for run in (chain["purify"], chain["spectrum"]):
            with pytest.raises(RunError, match="manifest.json of run .* is not JSON"):
                ask(run, store)


def test_a_run_that_is_its_own_source_ends_in_a_sentence(chain, store):
    manifest = chain["spectrum"].manifest
    manifest["config"]["source"] = manifest["source"] = chain["spectrum"].id
    write_manifest(chain["spectrum"].path, manifest)
    for ask in (training_of, holder_of):
        with pytest.raises(RunError, match="which is a spectrum run; a spectrum run needs a train, "
                                           "import or purify run. Delete it and start it again."):
            ask(chain["spectrum"], store)


@pytest.mark.parametrize("longer", [False, True])
def test_runs_that_stand_on_themselves_are_refused_in_a_sentence(store, longer):
    spectrum = make_run(store, "spectrum")
    other = make_run(store, "spectrum", source=spectrum.config.source) if longer else spectrum
    for run, source in ((spectrum, other.id), (other, spectrum.id)):
        manifest = run.manifest
        write_manifest(run.path, manifest | {"config": manifest["config"] | {"source": source}})
    with pytest.raises(RunError, match=f"Run {spectrum.id} stands on itself.* Delete it"):
        with_sources([spectrum], store)
