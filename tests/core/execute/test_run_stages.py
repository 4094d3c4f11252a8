"""Of which stages runs consist: counted by hand from what the code does."""

import pytest

from ngf_core.config import (
    AuditConfig,
    ImportConfig,
    LandscapeConfig,
    LayersConfig,
    PurifyConfig,
    SpectrumConfig,
    TrainConfig,
)
from ngf_core.data import mapped
from ngf_core.execute.run_stages import DECODERS, SHARPNESS_PRODUCTS, evaluated, stages_of
from ngf_core.purify import CLP, NGF, SGD
from ngf_core.scaling.network import network_of
from ngf_core.scaling.stages import Decode, Evaluate, Landscape, Poison, Purify, Spectrum, Train

MINI = network_of("mini_preact_resnet", 32)
MADE = TrainConfig()


def stages(config, made=MADE, network=MINI):
    return stages_of(config, made, network, 10)


def test_a_training_poisons_once_and_is_evaluated_after_each_epoch():
    assert stages(TrainConfig(epochs=7)) == [
        Poison(4750, 380, 3072), Train(MINI, 7 * 4750, 128), Evaluate(MINI, 1900, 7)]
    assert [type(one) for one in stages(TrainConfig(attack="none"))] == [Train, Evaluate]


def test_a_set_on_disk_is_decoded_whole():
    imagenet = TrainConfig(dataset="imagenet", arch="resnet50")
    decode, poison, train, evaluate = stages(imagenet, imagenet, network_of("resnet50", 224, 1000))
    assert isinstance(decode, Decode) and decode.images == pytest.approx(1_281_167 + 50_000, 1e-3)
    assert decode.image == 3 * 224**2 and decode.workers == DECODERS >= mapped.WORKERS
    assert poison.poisoned == pytest.approx(0.08 * train.images / imagenet.epochs)
    assert evaluate.images == 1.9 * 50_000


def test_a_race_tunes_each_method_and_evaluates_it_along_the_way():
    race = PurifyConfig(source="x", steps=60, evaluations=4, methods=(NGF(), SGD(), CLP()))
    ngf, sgd, clp, evaluate = stages(race)
    assert ngf == Purify(MINI, pytest.approx(250), 256, 60)
    assert isinstance(sgd, Evaluate) and sgd.images * sgd.times == pytest.approx(ngf.passes)
    assert clp.images * clp.times == pytest.approx(6 * 60 * 250)
    assert evaluate == Evaluate(MINI, evaluated(MADE), 3 * 5)


def test_a_chosen_step_size_tunes_four_more_times_on_four_fifths():
    plain, chosen = (stages(PurifyConfig(source="x", methods=(NGF(step_size=size),)))[0].steps
                     for size in ("given", "chosen"))
    assert chosen == round(4.2 * plain)


def test_graphs_that_do_not_fit_the_memory_are_built_again():
    large = network_of("resnet50", 224, 1000)
    few, many = stages(SpectrumConfig(source="x"))[0], stages(SpectrumConfig(source="x"),
                                                              network=large)[0]
    assert few.rebuilt == 0 and 0.9 < many.rebuilt < 1
    assert few.products == many.products > 3 * SHARPNESS_PRODUCTS["cheap"]
    wide = stages(SpectrumConfig(source="x", memory=500.0), network=large)[0]
    assert wide.rebuilt == 0 and wide.vectors == 25


def test_the_other_kinds():
    points = stages(LandscapeConfig(source="x", grid=11, planes=("random",)))
    assert points == [Landscape(MINI, 150, 2 * (3 * 121 + 70 * 3))]
    assert [type(one) for one in stages(LandscapeConfig(source="x", planes=("eigen",)))] == [
        Landscape, Spectrum]
    (map_,) = stages(LayersConfig(source="x"))
    assert isinstance(map_, Evaluate) and map_.images * map_.times > 10 * evaluated(MADE)
    assert isinstance(stages(AuditConfig(source="x"))[0], Spectrum)
    imported = stages(ImportConfig(normalisation="none"))
    assert sum(one.images * one.times for one in imported) == 1900 + 8500
