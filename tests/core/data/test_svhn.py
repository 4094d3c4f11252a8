"""SVHN's .mat files, where the digit 0 is labelled 10."""

import pytest

from ngf_core.data.dataset import load_dataset
from ngf_core.errors import ConfigError, NGFError
from tests.support import dataset_files


def test_pixels_and_labels_are_those_of_the_files(root, monkeypatch):
    train, test = dataset_files.svhn(root, monkeypatch)
    dataset = load_dataset("svhn", str(root))
    dataset_files.assert_holds(dataset, train, test)
    assert set(dataset.test.y.tolist()) == set(range(10))
    assert (dataset.shape, dataset.class_names) == ((3, 32, 32), tuple("0123456789"))


def test_a_truncated_file_is_named(root, monkeypatch):
    dataset_files.svhn(root, monkeypatch)
    path = root / "train_32x32.mat"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(NGFError, match="train_32x32.mat is not the file that SVHN needs: its MD5"):
        load_dataset("svhn", str(root))


def test_a_missing_file_is_named(root, monkeypatch):
    dataset_files.svhn(root, monkeypatch)
    (root / "test_32x32.mat").unlink()
    with pytest.raises(ConfigError, match="SVHN is not complete in .*: test_32x32.mat missing"):
        load_dataset("svhn", str(root))
