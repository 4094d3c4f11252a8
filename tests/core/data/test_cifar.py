"""CIFAR's pickles: read as they are, refused where their MD5 is not the official one."""

import pickle

import pytest

from ngf_core.data import DATASETS
from ngf_core.data.dataset import load_dataset
from ngf_core.errors import ConfigError, NGFError
from tests.support import dataset_files


@pytest.mark.parametrize(("name", "cls"), [("cifar10", "CIFAR10"), ("cifar100", "CIFAR100")])
def test_pixels_labels_and_names_are_those_of_the_files(root, monkeypatch, name, cls):
    train, test = dataset_files.cifar(root, monkeypatch, cls)
    dataset = load_dataset(name, str(root))
    dataset_files.assert_holds(dataset, train, test)
    assert dataset.shape == (3, 32, 32)
    assert dataset.class_names == DATASETS[name].class_names
    assert len(dataset.reserve) == 5


def test_the_names_are_in_the_order_of_the_labels():
    # Both sets number their classes alphabetically; CIFAR-10 except for its first four.
    names = DATASETS["cifar100"].class_names
    assert len(set(names)) == 100 and list(names) == sorted(names)
    assert DATASETS["cifar10"].class_names[3:6] == ("cat", "deer", "dog")


def test_a_wrong_file_is_named_before_it_is_unpickled(root, monkeypatch):
    dataset_files.cifar(root, monkeypatch)

    class Bomb:
        def __reduce__(self):
            return pytest.fail, ("this pickle was read",)

    (root / "cifar-10-batches-py" / "data_batch_3").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(NGFError, match=r"data_batch_3 is not the file .* its MD5 is not .*"
                                       r"data download cifar10"):
        load_dataset("cifar10", str(root))


def test_a_truncated_file_is_named(root, monkeypatch):
    dataset_files.cifar(root, monkeypatch)
    path = root / "cifar-10-batches-py" / "test_batch"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(NGFError, match="test_batch is not the file"):
        load_dataset("cifar10", str(root))


def test_without_the_patched_md5_made_up_files_are_refused(root):
    with pytest.MonkeyPatch.context() as patch:
        dataset_files.cifar(root, patch)
    with pytest.raises(NGFError, match="data_batch_1 .*MD5 is not c99cafc152244af753f735de768cd75"):
        load_dataset("cifar10", str(root))


def test_missing_files_are_all_named_with_their_folder(root, monkeypatch):
    dataset_files.cifar(root, monkeypatch)
    (root / "cifar-10-batches-py" / "data_batch_2").unlink()
    (root / "cifar-10-batches-py" / "batches.meta").unlink()
    with pytest.raises(ConfigError) as caught:
        load_dataset("cifar10", str(root))
    assert caught.value.field == "root"
    assert (f"CIFAR-10 is not complete in {root / 'cifar-10-batches-py'}: data_batch_2 and "
            "batches.meta missing. `python -m ngf_core data download cifar10` fetches it (170 MB)"
            in str(caught.value))


def test_a_folder_that_is_not_there_is_no_other_case(root):
    with pytest.raises(ConfigError, match="cifar-100-python: train and test and meta missing"):
        load_dataset("cifar100", str(root / "nowhere"))
