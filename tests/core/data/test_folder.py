"""Any folder of images by class."""

import shutil

import numpy as np
import pytest
from PIL import Image

from ngf_core.data.dataset import load_dataset
from ngf_core.errors import ConfigError, NGFError
from tests.support import dataset_files
from tests.support.dataset_files import Written, pairs, written

NAMES = ("apples", "pears", "plums")


@pytest.mark.parametrize("other", ["test", "val"])
def test_a_given_split_is_kept(root, other):
    train, test = (written(8, 3, (3, 64, 64), seed) for seed in (0, 1))
    dataset_files.class_folders(root / "train", train, NAMES)
    dataset_files.class_folders(root / other, test, NAMES)
    dataset = load_dataset("folder", str(root))
    dataset_files.assert_holds(dataset, train, test)
    assert (dataset.class_names, dataset.shape) == (NAMES, (3, 64, 64))


def test_without_a_split_a_fifth_is_for_testing(root):
    images = written(10, 3, (3, 64, 64), 0)
    dataset_files.class_folders(root, images, NAMES)
    (root / ".checkpoints").mkdir()
    dataset = load_dataset("folder", str(root))
    assert dataset.class_names == NAMES
    assert [len(p) for p in (dataset.test, dataset.reserve, dataset.train)] == [6, 1, 23]
    assert pairs(dataset.test, dataset.reserve, dataset.train) == images.pairs()


def test_the_default_place_is_a_folder_among_the_data_sets(root, monkeypatch):
    dataset_files.class_folders(root / "folder", written(3, 3, (3, 64, 64), 0), NAMES)
    monkeypatch.setenv("NGF_DATA", str(root))
    assert load_dataset("folder").class_names == NAMES


def test_grey_and_transparent_pictures_are_colour_images_too(root):
    grey = Written(written(3, 2, (3, 64, 64), 0).x, written(3, 2, (3, 64, 64), 0).y)
    for label, mode in enumerate(("L", "RGBA")):
        (root / mode).mkdir()
        for number, pixels in enumerate(grey.x[grey.y == label]):
            dataset_files.picture(pixels).convert(mode).save(root / mode / f"{number}.png")
    dataset = load_dataset("folder", str(root))
    assert dataset.shape == (3, 64, 64)
    for part in (dataset.train, dataset.reserve, dataset.test):
        greys = part.x[part.y == 0]
        assert (greys == greys[:, :1]).all()
    coloured = pairs(*(p.take(p.y == 1) for p in (dataset.train, dataset.reserve, dataset.test)))
    assert coloured == [pair for pair in grey.pairs() if pair[0] == 1]


def test_grey_pictures_of_sixteen_bits_keep_their_levels(root):
    for name, level in (("dark", 50 * 257), ("light", 200 * 257)):
        (root / name).mkdir()
        for number in range(6):
            Image.fromarray(np.full((9, 9), level, np.uint16)).save(root / name / f"{number}.png")
    dataset = load_dataset("folder", str(root), size=8)
    for part in (dataset.train, dataset.reserve, dataset.test):
        for x, y in zip(part.x, part.y, strict=True):
            assert x.unique().tolist() == [(50, 200)[y]]


def test_an_empty_class_is_named(root):
    dataset_files.class_folders(root, written(2, 3, (3, 64, 64), 0), NAMES)
    shutil.rmtree(root / "pears")
    (root / "pears").mkdir()
    with pytest.raises(ConfigError, match=r"pears holds no images. Put images \(.*\.png.*remove"):
        load_dataset("folder", str(root))


def test_a_class_of_the_test_part_only_is_named(root):
    dataset_files.class_folders(root / "train", written(2, 2, (3, 64, 64), 0), NAMES[:2])
    dataset_files.class_folders(root / "test", written(2, 3, (3, 64, 64), 0), NAMES)
    with pytest.raises(ConfigError, match="test has the class folder plums, which .*train lacks"):
        load_dataset("folder", str(root))


def test_what_is_no_picture_is_named(root):
    dataset_files.class_folders(root, written(2, 3, (3, 64, 64), 0), NAMES)
    (root / "plums" / "stone.jpg").write_text("a plum stone")
    with pytest.raises(NGFError, match="plums/stone.jpg cannot be read"):
        load_dataset("folder", str(root))


@pytest.mark.parametrize("make", [lambda root: None, lambda root: (root / "one").mkdir()])
def test_less_than_two_classes_are_refused(root, make):
    make(root)
    with pytest.raises(ConfigError, match="class folder.*at least two.*one folder of images per"):
        load_dataset("folder", str(root))


def test_a_place_that_is_not_there_is_named(root):
    with pytest.raises(ConfigError, match="lost does not exist or is not a folder"):
        load_dataset("folder", str(root / "lost"))
