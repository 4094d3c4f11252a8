"""Fashion-MNIST: gzipped or unpacked, the user's own before the installed one, and all of it."""

import gzip
import os

import pytest
import torch

from ngf_core.data import fashion_mnist
from ngf_core.data.dataset import find_source, load_dataset
from ngf_core.data.torchvision_guard import torchvision
from ngf_core.errors import ConfigError, NGFError
from ngf_core.paths import cache_folder
from tests.support import dataset_files


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_pixels_and_labels_are_those_of_the_files(root, suffix):
    train, test = dataset_files.mnist(root, "FashionMNIST", suffix)
    dataset = load_dataset("fashion_mnist", str(root))
    dataset_files.assert_holds(dataset, train, test)
    assert dataset.class_names[9] == "ankle boot"


def test_the_installed_files_serve_where_the_user_has_none(root, tmp_path, monkeypatch):
    installed = tmp_path / "installed"
    dataset_files.mnist(installed, "FashionMNIST", ".gz")
    monkeypatch.setattr(fashion_mnist, "INSTALLED", installed / "FashionMNIST" / "raw")
    assert find_source("fashion_mnist", str(root)).places[0].is_relative_to(installed)
    dataset_files.mnist(root, "FashionMNIST")
    assert find_source("fashion_mnist", str(root)).places[0].is_relative_to(root)


def test_a_missing_set_is_named_with_the_folder_and_the_remedy(root, monkeypatch):
    monkeypatch.setattr(fashion_mnist, "INSTALLED", root / "nowhere")
    with pytest.raises(ConfigError, match="Fashion-MNIST is not complete in .*FashionMNIST/raw: "
                       "train-images-idx3-ubyte and .* missing.*data download fashion_mnist"):
        find_source("fashion_mnist", str(root))


@pytest.mark.parametrize("change", [lambda b: b[:40], lambda b: b"no gzip" + b])
def test_a_damaged_archive_is_named(root, change):
    dataset_files.mnist(root, "FashionMNIST", ".gz")
    path = root / "FashionMNIST" / "raw" / "train-images-idx3-ubyte.gz"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(NGFError, match=r"ubyte.gz is not the file .*: it cannot be unpacked"):
        load_dataset("fashion_mnist", str(root))


@pytest.mark.skipif(not fashion_mnist.INSTALLED.exists() and not os.environ.get("CI"),
                    reason="Debian's package dataset-fashion-mnist is not installed")
def test_all_of_the_installed_set_is_what_torchvision_reads(root, tmp_path):
    dataset = load_dataset("fashion_mnist", str(root))
    raw = tmp_path / "theirs" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for packed in fashion_mnist.INSTALLED.glob("*.gz"):
        (raw / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    train, test = (torchvision.datasets.FashionMNIST(raw.parents[1], train=part)
                   for part in (True, False))
    weights = torch.randint(2**40, (784,), generator=torch.Generator().manual_seed(0))

    def keys(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """A number per image and label, sorted: the order on disk is not kept."""
        return ((x.flatten(1).long() * weights).sum(1) * 10 + y).sort().values

    assert torch.equal(keys(dataset.test.x, dataset.test.y), keys(test.data, test.targets))
    x = torch.cat((dataset.train.x, dataset.reserve.x))
    y = torch.cat((dataset.train.y, dataset.reserve.y))
    assert torch.equal(keys(x, y), keys(train.data, train.targets))
    assert torch.bincount(y).tolist() == [6000] * 10
    assert any(cache_folder().iterdir()), "decoded once, then mapped"
