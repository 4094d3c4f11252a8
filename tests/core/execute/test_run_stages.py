"""Of which stages runs consist: counted by hand from what the code does."""

import pytest
import torch

from ngf_core.attacks import EVERY_ATTACK
from ngf_core.attacks.attack import attack_class, build_attack, changes_from
from ngf_core.config import (
    AuditConfig,
    ImportConfig,
    LandscapeConfig,
    LayersConfig,
    PurifyConfig,
    SpectrumConfig,
    TrainConfig,
)
from ngf_core.curvature import HessianOperator
from ngf_core.curvature.spectral.measure_spectrum import OPERATORS, measure_spectrum
from ngf_core.data import mapped
from ngf_core.data.dataset import Images
from ngf_core.execute.run_stages import (
    DECODERS,
    SHARPNESS_PRODUCTS,
    bytes_for_graphs,
    evaluated,
    rebuilt,
    stages_of,
)
from ngf_core.models.build import build_model
from ngf_core.purify import CLP, NGF, SGD
from ngf_core.scaling.network import network_of
from ngf_core.scaling.stages import Decode, Evaluate, Landscape, Poison, Purify, Spectrum, Train

MINI = network_of("mini_preact_resnet", 32)
MADE = TrainConfig()


def stages(config, made=MADE, network=MINI):
    return stages_of(config, made, network, 10)


def test_a_training_poisons_once_and_is_evaluated_after_each_epoch():
    assert stages(TrainConfig(epochs=7, precision="bf16")) == [
        Poison(4750, 380, 3072), Train(MINI, 7 * 4750, 128, bf16=True), Evaluate(MINI, 1900, 7)]
    assert [type(one) for one in stages(TrainConfig(attack="none"))] == [Train, Evaluate]


def test_a_batch_is_no_larger_than_the_set():
    (train,) = (one for one in stages(TrainConfig(limit=10, batch_size=1024, epochs=3))
                if isinstance(one, Train))
    assert (train.images, train.batch) == (3 * 95, 95)


@pytest.mark.parametrize("multiplies", [True, False])
def test_the_arithmetic_of_a_training_is_that_of_the_config_here(multiplies, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: multiplies)
    for precision, bf16 in (("float32", False), ("bf16", True), ("auto", multiplies)):
        train = stages(TrainConfig(attack="none", precision=precision))[0]
        assert isinstance(train, Train) and train.bf16 == bf16


@pytest.mark.parametrize("name", EVERY_ATTACK)
def test_images_that_an_attack_changes_are_counted(name):
    """As many as attacks say that change the images of a set, in their default and other strength.
    """
    for strength in ("default", "published"):
        poison = next(one for one in stages(TrainConfig(attack=name, strength=strength))
                      if isinstance(one, Poison))
        attack = attack_class(name)
        assert poison.redrawn == attack.redrawn_each_epoch
        per = {"wanet": {"default": 380, "published": 760}, "bpp": {"default": 190,
               "published": 380}, "dyn_one": {"default": 190, "published": 380},
               "dyn_all": {"default": 190, "published": 380},
               "cba": {"default": 1187.5, "published": 2375},
               "fba": {"default": 380, "published": 380}}.get(name, {})
        assert poison.cover == pytest.approx(per.get(strength, 0))


@pytest.mark.parametrize(("changes", "rate"), [("noise_ratio=2", 0.1), ("noise_ratio=5", 0.5)])
def test_the_cover_is_what_the_attack_draws(changes, rate):
    config = TrainConfig(attack="wanet", parameters=changes, poison_rate=rate)
    attack = build_attack("wanet", target=0, poison_rate=rate, seed=0, shape=(3, 8, 8), classes=10,
                          changes=changes_from(changes))
    images = Images(torch.zeros(500, 3, 8, 8, dtype=torch.uint8), torch.arange(500) % 10)
    drawn = attack.poison(images, torch.Generator().manual_seed(0))
    poison = stages(config)[0]
    assert len(drawn.cover) / 500 == pytest.approx(poison.cover / poison.images)


def test_parameters_that_the_run_will_refuse_stand_in_no_estimates_way():
    assert stages(TrainConfig(parameters="nonsense")) == stages(TrainConfig())


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
    assert few.rebuilt == 0 and many.rebuilt == 1
    assert few.products == many.products > 3 * SHARPNESS_PRODUCTS["cheap"]
    wide = stages(SpectrumConfig(source="x", memory=500.0), network=large)[0]
    assert wide.rebuilt == 0 and wide.vectors == 25


@pytest.mark.parametrize("graphs", [8, 29.5, 30.5, 45.5, 61])
def test_the_share_that_is_built_again_is_the_operators(graphs, monkeypatch):
    """Chunks of 8 images of 30: how many of them are kept beside one that is built."""
    monkeypatch.setattr(Spectrum, "CHUNK", 8)
    model = build_model("mini_preact_resnet", (3, 32, 32), 10)
    data = torch.zeros(30, 3, 32, 32), torch.arange(30) % 10
    probe = HessianOperator(model, (data[0][:8], data[1][:8]))
    assert probe.graph.per_sample / MINI.saved == pytest.approx(Spectrum.GRAPH, rel=0.03)
    made = HessianOperator(model, data, memory=graphs * probe.graph.of(1), batch_size=8)
    assert rebuilt(30, MINI, graphs * 2 * MINI.saved) == pytest.approx(made.recomputed_samples / 30)


def test_a_spectrum_leaves_for_graphs_what_its_vectors_do_not_take(monkeypatch):
    left = []

    def operator(*_, memory, **__):
        left.append(memory)
        raise StopIteration

    monkeypatch.setitem(OPERATORS, "hessian", operator)
    for memory in (0.1, 2.5):
        config = SpectrumConfig(source="x", memory=memory)
        with pytest.raises(StopIteration):
            measure_spectrum(build_model("mini_preact_resnet", (3, 32, 32), 10),
                             (torch.zeros(8, 3, 32, 32), torch.arange(8)), k=config.k,
                             bottom=config.bottom, memory=memory * 1e9)
        assert bytes_for_graphs(config, MINI) == left.pop()


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
