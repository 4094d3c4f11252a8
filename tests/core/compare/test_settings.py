"""Which settings differ: of the run, of what it stands on, of the machine; and nothing else."""

from ngf_core.compare.settings import Seeds, but_seeds, differing, seeds, stages
from ngf_core.runs.manifest import change_manifest
from tests.support.fabricated_runs import make_run


def rows(runs, store):
    return {(one.of, one.name): one.values for one in differing(runs, store)}


def test_only_what_differs_is_told_in_the_order_of_the_runs(store, trained):
    runs = [trained(), trained(epochs=5), trained(seed=3, epochs=5)]
    assert rows(runs, store) == {("training", "epochs"): ("20", "5", "5"),
                                 ("training", "seed"): ("0", "0", "3")}


def test_a_setting_says_what_it_sets(store, trained):
    (one,) = differing([trained(), trained(lr=0.05)], store)
    assert one.name == "learning rate" and one.meaning.startswith("peak learning rate")
    assert one.values == ("0.1", "0.05")


def test_what_a_run_stands_on_counts_and_the_names_of_runs_do_not(store, trained):
    spectra = [make_run(store, "spectrum", source=make_run(
        store, "purify", source=trained(attack=attack).id, own={"ngf": {"kl_bound": bound}}).id)
        for attack, bound in (("badnets", 0.1), ("blend", 0.3))]
    assert [config.kind for config in stages(spectra[0], store)] == ["spectrum", "purify", "train"]
    assert rows(spectra, store) == {("purification", "NGF: KL bound"): ("0.1", "0.3"),
                                    ("training", "attack"): ("badnets", "blend")}


def test_a_method_that_one_run_did_not_race_differs_once(store, trained):
    source = trained().id
    both, one = (make_run(store, "purify", source=source, methods=methods)
                 for methods in (("ngf", "sgd"), ("ngf",)))
    assert rows([both, one], store) == {("purification", "methods"): ("ngf, sgd", "ngf")}


def test_machines_are_told_after_settings(store, trained):
    one, other = trained(), trained()
    change_manifest(other.path, threads=8, instructions="AVX2", engine=9)
    found = differing([one, other], store)
    assert {row.of for row in found} == {"computed with"}
    assert {row.name: row.values[1] for row in found} == {
        "threads": "8", "instructions": "AVX2", "engine": "9"}


def test_kinds_differ_and_what_only_one_kind_has_does_not(store, trained):
    model = trained()
    race = make_run(store, "purify", source=model.id)
    assert rows([model, race], store) == {("run", "kind"): ("training", "purification")}


def test_seeds_are_told_apart_from_settings(store, trained):
    race = make_run(store, "purify", source=trained(seed=4).id, seed=2)
    again = make_run(store, "purify", source=trained(seed=5).id, seed=3)
    assert seeds(race, store) == Seeds("4", (2,))
    assert but_seeds(race, store) == but_seeds(again, store)
    assert but_seeds(race, store) != but_seeds(make_run(
        store, "purify", source=trained().id, steps=7), store)


def test_a_missing_source_leaves_the_own_settings(store, trained):
    races = [make_run(store, "purify", source=trained().id, steps=steps) for steps in (10, 20)]
    measured = [make_run(store, "spectrum", source=race.id, samples=samples)
                for race, samples in zip(races, (50, 60), strict=True)]
    races[0].delete()
    assert rows(measured, store) == {("spectrum", "samples"): ("50", "60")}
