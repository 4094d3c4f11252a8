"""What holds for every set on disk: parts, limit, size, keeping. Shown on GTSRB and a folder."""

import os
import shutil

import pytest
import torch

from ngf_core.data import DATASETS, dataset, folder
from ngf_core.data.dataset import Images, load_dataset, outline, prepare_dataset
from ngf_core.data.source import data_folder
from ngf_core.errors import ConfigError, NGFError
from tests.support import dataset_files
from tests.support.dataset_files import pairs, written

NAMES = ("a", "b", "c")


@pytest.fixture
def fruit(root):
    """A folder with 40 images for training and 20 for testing in each of three classes."""
    dataset_files.class_folders(root / "train", written(40, 3, (3, 16, 16), 0), NAMES)
    dataset_files.class_folders(root / "test", written(20, 3, (3, 16, 16), 1), NAMES)
    return root


def load(root, **settings):
    load_dataset.cache_clear()
    return load_dataset("folder", str(root), **{"size": 16} | settings)


def test_reserve_and_train_are_cut_from_the_training_part(fruit):
    whole = load(fruit)
    assert [len(p) for p in (whole.train, whole.reserve, whole.test)] == [114, 6, 60]
    assert not set(pairs(whole.train)) & set(pairs(whole.reserve))
    assert len(whole.clean(0.05)) == 6


def test_every_part_mixes_the_classes(fruit):
    for part in (load(fruit).train, load(fruit).test):
        assert len(set(part.y[:12].tolist())) == 3


def test_the_order_is_always_the_same_and_touches_no_global_randomness(fruit):
    before = torch.random.get_rng_state()
    one = load(fruit)
    shutil.rmtree(os.environ["NGF_CACHE"])
    two = load(fruit)
    assert torch.equal(one.train.x, two.train.x) and torch.equal(one.reserve.y, two.reserve.y)
    assert one.sha256 == two.sha256
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_limit_takes_as_many_of_each_class(fruit):
    small, less = load(fruit, limit=20), load(fruit, limit=10)
    pool = torch.cat((small.train.y, small.reserve.y))
    assert pool.bincount().tolist() == [20, 20, 20] == small.test.y.bincount().tolist()
    assert len(small.reserve) == 3
    # A smaller set is part of a larger one.
    assert set(pairs(less.train, less.reserve)) < set(pairs(small.train, small.reserve))
    assert set(pairs(less.test)) < set(pairs(small.test))


def test_only_the_limited_images_are_decoded(fruit, monkeypatch):
    seen = []
    real = dataset._pixels
    monkeypatch.setattr(dataset, "_pixels", lambda *a: seen.append(a[2]) or real(*a))
    load(fruit, limit=2)
    assert len(seen) == 3 * 2 + 3 * 2


@pytest.mark.parametrize("limit", [0, 7])
def test_the_outline_tells_counts_and_labels_without_decoding(fruit, monkeypatch, limit):
    monkeypatch.setattr(dataset, "_pixels", lambda *_: pytest.fail("decoded"))
    told = outline("folder", str(fruit), limit, 16)
    monkeypatch.undo()
    whole = load(fruit, limit=limit)
    assert torch.equal(told.train, whole.train.y) and torch.equal(told.test, whole.test.y)
    assert (told.class_names, told.shape, told.classes) == (NAMES, (3, 16, 16), 3)
    some = torch.tensor([3, 0, 11])
    assert pairs(told.decoded(some)) == pairs(whole.train.take(some))


def test_the_outline_of_a_set_that_ships_is_that_set():
    told, whole = outline("digits", limit=9), load_dataset("digits", limit=9)
    assert torch.equal(told.train, whole.train.y) and torch.equal(told.test, whole.test.y)
    assert (told.class_names, told.shape) == (whole.class_names, whole.shape)
    assert pairs(told.decoded(torch.arange(4))) == pairs(whole.train.take(slice(0, 4)))


@pytest.mark.parametrize(("each", "part"), [(1, "testing"), (2, "training")])
def test_a_part_without_images_is_told(root, each, part, monkeypatch):
    monkeypatch.setattr(folder, "TEST_SHARE", 0.2 if each == 1 else 0.75)
    dataset_files.class_folders(root, written(each, 2, (3, 16, 16), 0), ("a", "b"))
    for read in (load, lambda root: outline("folder", str(root), 0, 16)):
        with pytest.raises(ConfigError, match=f"images to train on.* none is left for {part}. Add"):
            read(root)


def test_a_limit_above_the_class_takes_it_whole(fruit):
    assert pairs(load(fruit, limit=1000).train) == pairs(load(fruit).train)


def test_an_image_is_scaled_to_the_size(fruit):
    assert load(fruit, size=32).shape == (3, 32, 32)
    # Twice as large and back again: the mean of a picture stays.
    big, same = load(fruit, size=32, limit=1), load(fruit, limit=1)
    means = [d.train.x.float().mean((1, 2, 3)) for d in (big, same)]
    assert torch.allclose(*means, atol=2)


def test_a_second_loading_reads_what_was_kept(fruit, monkeypatch):
    first = load(fruit)
    monkeypatch.setattr(dataset, "_plan", lambda *_: pytest.fail("decoded again"))
    second = load(fruit)
    assert pairs(first.train) == pairs(second.train) and first.sha256 == second.sha256
    assert second.class_names == NAMES


def test_a_changed_file_is_decoded_again(fruit):
    first = load(fruit)
    other = dataset_files.picture(written(1, 1, (3, 16, 16), 9).x[0])
    other.save(fruit / "test" / "b" / "test_3.png")
    assert load(fruit).sha256 != first.sha256
    (fruit / "train" / "b" / "train_3.png").unlink()
    assert len(load(fruit).train) == 113


def test_preparing_reports_and_makes_loading_quick(fruit, monkeypatch):
    seen = []
    prepare_dataset("folder", str(fruit), size=16, report=lambda *at: seen.append(at))
    assert seen[-1] == (180, 180)
    monkeypatch.setattr(dataset, "_plan", lambda *_: pytest.fail("decoded again"))
    load(fruit)
    prepare_dataset("signs", report=lambda *_: pytest.fail("signs are not decoded"))


def test_a_copy_is_free_to_be_written_into(fruit):
    train = load(fruit).train
    copy = train.copy()
    assert pairs(copy) == pairs(train)
    copy.x[:10], copy.y[:10] = 0, 2
    assert pairs(copy) != pairs(train) == pairs(load(fruit).train)
    assert pairs(copy.copy()) == pairs(copy)
    part = load(fruit).test.take(slice(5, 50)).take(slice(2, 4))
    assert pairs(part.copy()) == pairs(part) == pairs(load(fruit).test.take(torch.tensor([7, 8])))


def test_a_copy_can_be_had_when_the_file_is_gone(fruit):
    train = load(fruit).train
    expected = pairs(train)
    shutil.rmtree(os.environ["NGF_CACHE"])
    copy = train.copy()
    copy.x[:] = 0
    assert pairs(train) == expected != pairs(copy)


def test_images_in_memory_are_copied_too():
    images = Images(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.tensor([0, 1]))
    images.copy().x[:] = 1
    images.copy().y[:] = 1
    assert not images.x.any() and images.y.tolist() == [0, 1]


@pytest.mark.parametrize(("settings", "field"), [({"limit": -1}, "limit"), ({"size": 4}, "size"),
                                                 ({"size": 5000}, "size")])
def test_impossible_settings_are_refused(fruit, settings, field):
    with pytest.raises(ConfigError) as caught:
        load(fruit, **settings)
    assert caught.value.field == field


def test_a_file_that_may_not_be_read_is_named(fruit, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "/there/labels")

    monkeypatch.setattr(dataset, "listing", refuse)
    with pytest.raises(NGFError, match=r"/there/labels cannot be read \(Permission denied\)"):
        load(fruit)


def test_embedded_sets_take_a_limit_and_one_size(root):
    full, small = load_dataset("digits"), load_dataset("digits", limit=30)
    pool = torch.cat((small.reserve.y, small.train.y))
    assert pool.bincount().tolist() == [30] * 10 == small.test.y.bincount().tolist()
    assert len(small.reserve) == 15
    assert set(pairs(small.test)) <= set(pairs(full.test))
    assert set(pairs(small.train, small.reserve)) <= set(pairs(full.train, full.reserve))
    assert small.sha256 != full.sha256
    # The first of each class, in order.
    zeros = full.test.x[full.test.y == 0][:30]
    assert torch.equal(small.test.x[small.test.y == 0], zeros)
    assert load_dataset("digits", size=32).sha256 == full.sha256
    with pytest.raises(ConfigError, match="size: digits has images of 32 pixels only, not 28"):
        load_dataset("digits", size=28)


def test_the_folder_is_the_one_named_or_the_variables_or_the_repositorys(monkeypatch, tmp_path):
    monkeypatch.setenv("NGF_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    assert str(data_folder("/given")) == "/given"
    monkeypatch.delenv("NGF_DATA")
    assert data_folder().name == "data" and (data_folder().parent / "ngf_core").is_dir()


def test_a_limit_shortens_the_estimate():
    assert DATASETS["cifar10"].training_images() == 47500
    assert DATASETS["cifar10"].training_images(100) == 950
    assert DATASETS["mnist"].training_images(10**6) == 57000
    assert DATASETS["folder"].training_images(10) == DATASETS["folder"].train_images
