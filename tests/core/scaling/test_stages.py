"""The terms of each stage, by hand and against what the code does."""

import inspect
from dataclasses import replace

import pytest
import torch

from ngf_core.attacks.attack import PART
from ngf_core.curvature.operators import loss_operator
from ngf_core.data import mapped
from ngf_core.data.dataset import Images
from ngf_core.evaluate.test_set import BATCH
from ngf_core.fisher.metric import LARGEST
from ngf_core.fisher.softmax_head import PRODUCTS, rows_fit
from ngf_core.models.build import build_model
from ngf_core.purify import NGF, Budget
from ngf_core.purify.batchnorm import CALIBRATION_BATCHES
from ngf_core.purify.method import purifier
from ngf_core.scaling import model as scaling
from ngf_core.scaling import stages
from ngf_core.scaling.network import Network, network_of
from ngf_core.scaling.stages import Decode, Evaluate, Landscape, Poison, Purify, Spectrum, Train

NET = Network(multiply_adds=10, written=20, alive=5, saved=50, weights=7, features=4, classes=3,
              channels=3, pixels=16)


def test_constants_are_those_of_the_code():
    assert Decode.CHUNK == mapped.CHUNK and Poison.PART == PART and Evaluate.BATCH == BATCH
    assert Purify.CALIBRATION == CALIBRATION_BATCHES
    assert loss_operator.CHUNK["cpu"] == Spectrum.CHUNK
    source = inspect.getsource(stages.system)
    assert f"{LARGEST:_}" in source and f"{PRODUCTS} * rows" in source


@pytest.mark.parametrize(("features", "classes", "batch"), [
    (512, 10, 256), (2048, 10, 256), (127, 100, 25), (127, 100, 26), (2048, 1000, 256)])
def test_the_fisher_system_is_the_one_that_is_solved(features, classes, batch):
    net = network_of("mini_resnet", 32)
    net = Network(**{**vars(net), "features": features, "classes": classes})
    weights, rows = (features + 1) * classes, batch * classes
    found = stages.system(net, batch)
    if weights <= LARGEST:
        assert (found.single, found.double) == (0, batch * weights**2 + weights**3 / 6)
    elif rows_fit(rows, weights):
        side = min(rows, weights)
        assert (found.single, found.double) == (side * rows * weights, side**3 / 6)
    else:
        assert (found.single, found.double) == (0, PRODUCTS * rows * (batch + 8))


def test_training():
    one = Train(NET, images=100, batch=25)
    assert one.time == {"multiply-adds": 1000, "bytes written": 2000, "weights updated": 28}
    assert one.memory == {"1": 1, "bytes held": 14 * 7 + 25 * 50 / 2}
    assert replace(one, bf16=False).memory == {"1": 1, "bytes held": 12 * 7 + 25 * 50}


def test_the_passes_of_a_purification_are_those_it_makes():
    model = build_model("mini_resnet", (3, 32, 32), 10)
    seen: list[int] = []
    model.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    clean = Images(torch.zeros(30, 3, 32, 32, dtype=torch.uint8), torch.arange(30) % 10)
    for _ in purifier("ngf")(model, clean, NGF(), Budget(steps=3, batch_size=20)):
        pass
    assert sum(seen) == Purify(network_of("mini_resnet", 32), 30, 20, 3).passes


def test_a_graph_counts_three_passes_and_a_product_six():
    kept, rebuilt = (Spectrum(NET, 5, 4, rebuilt=again).time["multiply-adds"]
                     for again in (0.0, 1.0))
    assert kept == 10 * 5 * (3 + 24) and rebuilt == 10 * 5 * (12 + 24)
    assert Spectrum(NET, 5, 4, vectors=9).disk == 4 * 7 * 9


def test_pages_of_poisoned_images():
    one = Poison(images=10_000, poisoned=800, image=3072)
    # Of four images, in three pages, two lie in one page and two in two.
    assert one.memory == {"1": 1, "bytes held": 800 * 1.5 * 4096 + 500 * 3072,
                          "bytes of a part": 500 * 3072}
    drawn = replace(one, cover=200, redrawn=True)
    assert drawn.memory["bytes held"] == 2 * 1000 * 1.5 * 4096 + 500 * 3072
    # Nearly every page is touched: no more than there are.
    assert Poison(1000, 900, 3072).pages == 1000 * 3072
    # What fills its pages touches no other; a part above 32 MiB is given back.
    large = Poison(10_000, 800, 3 * 256**2)
    assert large.memory == {"1": 1, "bytes held": 1300 * 3 * 256**2, "bytes of a part": 0}


@pytest.mark.parametrize("image", [3072, 147, 12_288, 5000])
def test_pages_by_counting_them(image):
    touched = [1 + (first + image - 1) // 4096 - first // 4096
               for first in range(0, 4096 * image, image)]
    assert Poison(1e9, 10, image).pages == pytest.approx(10 * 4096 * sum(touched) / len(touched))


def test_a_purification_holds_a_pass_or_a_system():
    one = Purify(NET, clean=30, batch=20, steps=3)
    a_pass, solved = 20 * (2 * 4 * 48 + 2 * 5), stages.system(NET, 20).size
    assert (a_pass, solved) == (7880, 35 * 15**2)
    assert one.memory == {"1": 1, "bytes held": 28 + a_pass}
    many = Network(**{**vars(NET), "features": 40})
    assert Purify(many, 30, 20, 3).memory["bytes held"] == 28 + 35 * 123**2


def test_a_product_holds_six_vectors_and_the_graphs():
    held = Spectrum(NET, 60, 4).memory["bytes held"]
    assert held == 6 * 28 + 50 * (2 * 60 + 50)
    assert Spectrum(NET, 9, 4).memory["bytes held"] == 6 * 28 + 50 * 3 * 9


def test_decoding_stores_every_byte():
    one = Decode(images=100, source=300, image=48, workers=2)
    assert one.disk == 100 * 56
    assert one.time == {"files": 100, "pixels decoded": 30_000, "bytes stored": 4800}
    assert one.memory["bytes of images in work"] == 2 * 100 * 48 + 3 * 2 * 300


def test_ranks_share_what_is_divided_and_add_up_a_number_per_weight():
    train, points = Train(NET, 100, 25), Landscape(NET, 10, 9)
    assert scaling.is_divided(train, "train") and scaling.is_divided(points, "landscape")
    # A training answers through all ranks (ngf_core.ranks.whole_batch); a race has one.
    assert scaling.is_divided(Evaluate(NET, 100), "train")
    assert not scaling.is_divided(Evaluate(NET, 100), "purify")
    assert not scaling.is_divided(Poison(100, 8, 3072), "train"), "every rank poisons its own copy"
    assert scaling.exchange(train, 4, 14.0) == 4 * 2 * 3 / 4 * 28 / 14
    assert scaling.exchange(train, 1, 14.0) == 0 == scaling.exchange(points, 4, 14.0)
    assert scaling.exchange(Spectrum(NET, 5, 6), 2, 28.0) == 6


def test_the_model_is_not_negative_and_grows():
    for one, more in ((Train(NET, 100, 25), Train(NET, 200, 25)),
                      (Evaluate(NET, 10), Evaluate(NET, 20)),
                      (Decode(10, 9, 9, 1), Decode(20, 9, 9, 1))):
        assert 0 < scaling.seconds(one) < scaling.seconds(more)
        assert 0 <= scaling.memory(one) <= scaling.memory(more)
