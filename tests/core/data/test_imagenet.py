"""ImageNet's class folders."""

import numpy as np
import pytest

from ngf_core.data import imagenet
from ngf_core.data.dataset import load_dataset
from ngf_core.errors import ConfigError, NGFError
from tests.support import dataset_files

WNIDS = ("n01440764", "n01443537", "n02012849")


def make(place):
    train, test = dataset_files.shades(4, 3, 224, 0), dataset_files.shades(1, 3, 224, 100)
    dataset_files.class_folders(place / "train", train, WNIDS, "JPEG")
    dataset_files.class_folders(place / "val", test, WNIDS, "JPEG")
    return train, test


@pytest.mark.parametrize("inside", ["", "imagenet"])
def test_pixels_and_labels_are_those_of_the_files(root, inside):
    train, test = make(root / inside)
    dataset = load_dataset("imagenet", str(root))
    dataset_files.assert_holds(dataset, train, test)
    assert dataset.shape == (3, 224, 224)
    assert dataset.class_names == WNIDS  # few classes keep their ids


def test_all_thousand_classes_have_torchvisions_names():
    # Places that everybody knows; the order is that of the sorted ids.
    names = imagenet._names(tuple(f"n{i:08d}" for i in range(1000)))
    assert names[:2] == ("tench", "goldfish") and names[999] == "toilet tissue"
    assert len(set(names)) == 1000
    assert (names[207], names[281]) == ("golden retriever", "tabby")


def test_an_image_is_cut_to_its_middle_square(root):
    make(root)
    pixels = np.zeros((3, 300, 500), np.uint8)
    pixels[:, :, 100:400], pixels[:, :, 245:255] = 100, 200
    dataset_files.picture(pixels).save(root / "val" / WNIDS[1] / "val_0.JPEG", quality=95)
    dataset = load_dataset("imagenet", str(root), size=30)
    (image,) = dataset.test.x[dataset.test.y == 1]
    assert image[:, :, :13].float().mean() == pytest.approx(100, abs=2)
    assert image[:, :, 17:].float().mean() == pytest.approx(100, abs=2)
    assert image[:, :, 14:16].float().mean() > 130


def test_other_class_folders_are_refused(root):
    make(root)
    (root / "train" / "cats").mkdir()
    with pytest.raises(ConfigError, match="train/cats is not a class folder of ImageNet"):
        load_dataset("imagenet", str(root))


def test_some_other_folder_with_a_training_part_is_not_taken_for_imagenet(root):
    (root / "train" / "cats").mkdir(parents=True)
    (root / "val" / "cats").mkdir(parents=True)
    with pytest.raises(ConfigError, match="not complete in .*imagenet: train and val missing"):
        load_dataset("imagenet", str(root))


def test_an_unsorted_val_folder_is_explained(root):
    make(root)
    for wnid in WNIDS:
        (root / "val" / wnid / "val_0.JPEG").rename(root / "val" / f"{wnid}.JPEG")
        (root / "val" / wnid).rmdir()
    with pytest.raises(ConfigError, match="val has no class folders. .*each with the 1,000 class"):
        load_dataset("imagenet", str(root))


def test_a_truncated_image_is_named(root):
    make(root)
    path = root / "train" / WNIDS[2] / "train_1.JPEG"
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(NGFError, match=f"{WNIDS[2]}/train_1.JPEG cannot be read"):
        load_dataset("imagenet", str(root))


def test_what_is_not_there_is_named_and_where_to_get_it(root):
    with pytest.raises(ConfigError, match="imagenet: train and val missing. .*registered users"):
        load_dataset("imagenet", str(root))
