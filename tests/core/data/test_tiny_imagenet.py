"""Tiny-ImageNet's folders and lists."""

import pytest

from ngf_core.data.dataset import load_dataset
from ngf_core.errors import ConfigError, NGFError
from tests.support import dataset_files


@pytest.mark.parametrize("inside", ["", "tiny-imagenet-200"])
def test_pixels_labels_and_names_are_those_of_the_files(root, inside):
    train, test = dataset_files.tiny_imagenet(root)
    dataset = load_dataset("tiny_imagenet", str(root / inside))
    dataset_files.assert_holds(dataset, train, test)
    assert dataset.shape == (3, 64, 64)
    assert dataset.class_names == ("Egyptian cat", "goldfish", "reel")


def test_two_classes_of_one_name_are_told_apart(root):
    dataset_files.tiny_imagenet(root)
    (root / "tiny-imagenet-200" / "words.txt").write_text(
        "n02124075\tcrane, bird\nn01443537\tgoldfish\nn04067472\tcrane\n")
    names = load_dataset("tiny_imagenet", str(root)).class_names
    assert names == ("crane (n02124075)", "goldfish", "crane (n04067472)")


@pytest.mark.parametrize(("file", "content", "says"), [
    ("val/val_annotations.txt", "val_0.JPEG\tn02124075\t0\nval_1.JPEG\n", "line 2 does not name"),
    ("val/val_annotations.txt", "val_0.JPEG\tn99999999\t0\n", "line 1 does not name an image"),
    ("val/val_annotations.txt", "", "it is empty"),
    ("wnids.txt", "n02124075\nn02124075\n", "one class per line, each once"),
    ("wnids.txt", "", "one class per line"),
    ("words.txt", "n02124075\tEgyptian cat\n", "no name for n01443537"),
    ("words.txt", b"\xff\xff", "it is not text"),
])
def test_a_wrong_list_is_named(root, file, content, says):
    dataset_files.tiny_imagenet(root)
    content = content if isinstance(content, bytes) else content.encode()
    (root / "tiny-imagenet-200" / file).write_bytes(content)
    with pytest.raises(NGFError, match=f"{file} is not the file that .* needs: .*{says}"):
        load_dataset("tiny_imagenet", str(root))


def test_missing_and_truncated_images_are_named(root):
    dataset_files.tiny_imagenet(root)
    path = root / "tiny-imagenet-200/val/images/val_3.JPEG"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(NGFError, match="val_3.JPEG cannot be read"):
        load_dataset("tiny_imagenet", str(root))
    path.unlink()
    with pytest.raises(NGFError, match="val_3.JPEG does not exist"):
        load_dataset("tiny_imagenet", str(root))


def test_a_class_without_images_is_named(root):
    dataset_files.tiny_imagenet(root)
    (root / "tiny-imagenet-200/train/n01443537/images").rename(root / "away")
    with pytest.raises(NGFError, match="train/n01443537/images holds no images"):
        load_dataset("tiny_imagenet", str(root))


def test_missing_files_are_named(root):
    dataset_files.tiny_imagenet(root)
    (root / "tiny-imagenet-200/val/val_annotations.txt").unlink()
    with pytest.raises(ConfigError, match="tiny-imagenet-200: val/val_annotations.txt missing"):
        load_dataset("tiny_imagenet", str(root))
