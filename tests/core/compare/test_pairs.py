"""Who repeats whom, and who is subtracted from whom."""

from ngf_core.compare.pairs import by_training, groups, paired
from tests.support.fabricated_runs import make_run


def test_runs_that_differ_in_seeds_alone_are_one_group(store, trained):
    first, other, again = trained(), trained(epochs=3), trained(seed=1)
    assert groups([first, other, again], store) == [(first, again), (other,)]


def test_a_run_without_its_source_repeats_none(store, trained):
    races = [make_run(store, "purify", source=trained().id) for _ in range(2)]
    spectra = [make_run(store, "spectrum", source=race.id) for race in races]
    assert len(groups(spectra, store)) == 1
    races[1].delete()
    assert groups(spectra, store) == [(spectra[0],), (spectra[1],)]


def test_equal_seeds_find_each_other_in_any_order(store, trained):
    sources = [trained(seed=seed).id for seed in (0, 1)]
    def race(source, seed, steps):
        return make_run(store, "purify", source=source, seed=seed, steps=steps)

    base = [race(sources[0], 0, 10), race(sources[0], 1, 10), race(sources[1], 0, 10)]
    group = [race(sources[1], 0, 20), race(sources[0], 1, 20), race(sources[0], 0, 20)]
    found = paired(group, base, store)
    assert [(pair.run, pair.base) for pair in found.pairs] == list(zip(
        group, reversed(base), strict=True))
    assert not found.lone
    assert {seed: len(of) for seed, of in by_training(found.pairs).items()} == {"1": 1, "0": 2}


def test_else_the_model_counts_and_nobody_is_taken_twice(store, trained):
    source = trained().id
    def race(seed, steps):
        return make_run(store, "purify", source=source, seed=seed, steps=steps)

    base, other, more = race(0, 10), race(5, 20), race(6, 20)
    found = paired([other, more], [base], store)
    assert [(pair.run, pair.base) for pair in found.pairs] == [(other, base)]
    assert found.lone == (more,)


def test_another_model_is_no_partner(store, trained):
    found = paired([trained(seed=1, epochs=3)], [trained(seed=0)], store)
    assert not found.pairs and len(found.lone) == 1
