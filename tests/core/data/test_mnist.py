"""MNIST's idx files."""

import pytest

from ngf_core.data.dataset import load_dataset
from ngf_core.errors import ConfigError, NGFError
from tests.support import dataset_files


def test_pixels_and_labels_are_those_of_the_files(root):
    train, test = dataset_files.mnist(root)
    dataset = load_dataset("mnist", str(root))
    dataset_files.assert_holds(dataset, train, test)
    assert dataset.shape == (1, 28, 28)


@pytest.mark.parametrize(("file", "change", "says"), [
    ("train-images-idx3-ubyte", lambda b: b[:-1], "23,535 bytes where its header states 23,536"),
    ("t10k-labels-idx1-ubyte", lambda b: b + b"x", "39 bytes where its header states 38"),
    ("train-labels-idx1-ubyte", lambda b: b[:3], "not an idx file of bytes in 1 dimension"),
    ("t10k-images-idx3-ubyte", lambda b: b"\x1f\x8b" + b, "not an idx file of bytes in"),
    ("train-labels-idx1-ubyte", lambda b: b[:7] + b"\x1d" + b[8:-1], "29 labels for the 30 images"),
])
def test_a_damaged_file_is_named(root, file, change, says):
    dataset_files.mnist(root)
    path = root / "MNIST" / "raw" / file
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(NGFError, match=f"{file} is not the file that MNIST needs: .*{says}"):
        load_dataset("mnist", str(root))


def test_a_missing_file_is_named(root):
    dataset_files.mnist(root)
    (root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(ConfigError, match="raw: t10k-labels-idx1-ubyte missing"):
        load_dataset("mnist", str(root))
