"""The three parts of a data set, and what images are allowed to be."""

import pytest
import torch

from ngf_core.data import DATASETS, DatasetEntry
from ngf_core.data.dataset import Images, load_dataset, split
from ngf_core.errors import ConfigError


def numbered(n: int = 5000) -> tuple[torch.Tensor, torch.Tensor]:
    """Images that spell their own number in their four pixels, labels that repeat it modulo 10."""
    numbers = torch.arange(n)
    digits = torch.stack([numbers // 256**i % 256 for i in range(4)], 1)
    return digits.to(torch.uint8).view(n, 1, 2, 2), numbers % 10


def numbers(images: Images) -> list[int]:
    return (images.x.flatten(1).long() * 256 ** torch.arange(4)).sum(1).tolist()


@pytest.fixture
def dataset():
    return split("numbered", tuple("abcdefghij"), *numbered())


def test_the_parts_share_no_image_and_lose_none(dataset):
    parts = [numbers(part) for part in (dataset.test, dataset.reserve, dataset.train)]
    assert [len(p) for p in parts] == [1000, 200, 3800]
    assert sorted(sum(parts, [])) == list(range(5000))
    for part in (dataset.test, dataset.reserve, dataset.train):
        assert part.y.tolist() == [n % 10 for n in numbers(part)]


def test_the_split_is_fixed(dataset):
    again = split("numbered", tuple("abcdefghij"), *numbered())
    assert again.sha256 == dataset.sha256
    assert torch.equal(again.train.x, dataset.train.x)
    x, y = numbered()
    x[4321, 0, 0, 0] ^= 1
    assert split("numbered", tuple("abcdefghij"), x, y).sha256 != dataset.sha256
    assert (dataset.shape, dataset.classes) == ((1, 2, 2), 10)


@pytest.mark.parametrize(("fraction", "count"), [(0.01, 40), (0.02, 80), (0.03, 120), (0.04, 160),
                                                 (0.05, 200), (0.0123, 49)])
def test_a_clean_set_is_the_beginning_of_the_reserve(dataset, fraction, count):
    clean = dataset.clean(fraction)
    assert numbers(clean) == numbers(dataset.reserve)[:count]
    assert len(dataset.clean()) == 200


def unbalanced():
    """Of 200 images in the reserve one is of class 2, seven of class 1, the rest of class 0."""
    x, _ = numbered()
    y = torch.zeros(5000, dtype=torch.long)
    y[[1010, 1020, 1030, 1090, 1150, 1198, 1199]] = 1
    y[1100] = 2
    return split("numbered", ("a", "b", "c"), x, y)


def test_a_balanced_clean_set_has_the_first_images_of_each_class():
    uneven = unbalanced()
    assert uneven.clean(0.01).y.bincount().tolist() == [37, 3]
    for fraction, counts in ((0.0005, [1, 1]), (0.001, [2, 1, 1]), (0.002, [4, 3, 1]),
                             (0.01, [32, 7, 1]), (0.05, [192, 7, 1])):
        clean = uneven.clean(fraction, "balanced")
        assert clean.y.bincount().tolist() == counts
        assert len(clean) == round(fraction * 4000)
        for label, count in enumerate(counts):
            first = numbers(uneven.reserve.take(uneven.reserve.y == label))[:count]
            assert numbers(clean.take(clean.y == label)) == first
        assert numbers(clean) == sorted(numbers(clean)), "the reserve's order is kept"


@pytest.mark.parametrize("fraction", [0.01, 0.05])
def test_classes_that_take_turns_are_balanced_as_they_come(dataset, fraction):
    assert numbers(dataset.clean(fraction, "balanced")) == numbers(dataset.clean(fraction))


def test_a_balanced_set_too_is_no_larger_than_the_reserve(dataset):
    with pytest.raises(ConfigError, match="amounts to 201 clean images"):
        dataset.clean(0.0502, "balanced")


@pytest.mark.parametrize(("fraction", "count"), [(0.0502, 201), (1.0, 4000), (0.0, 0)])
def test_more_than_the_reserve_is_refused(dataset, fraction, count):
    with pytest.raises(ConfigError) as caught:
        dataset.clean(fraction)
    assert caught.value.field == "clean_fraction"
    assert (f"amounts to {count} clean images. numbered has 200; use at most 0.05"
            in str(caught.value))


def test_take_keeps_images_and_labels_together():
    images = Images(*numbered(20))
    assert numbers(images.take(torch.tensor([7, 3]))) == [7, 3]
    assert images.take(torch.tensor([7, 3])).y.tolist() == [7, 3]
    assert numbers(images.take(slice(2, 5))) == [2, 3, 4]
    assert numbers(images.take(images.y == 4)) == [4, 14]


@pytest.mark.parametrize(("x", "y", "says"), [
    (torch.zeros(2, 1, 4, 4), torch.zeros(2), "Give uint8 images of shape"),
    (torch.zeros(2, 4, 4, dtype=torch.uint8), torch.zeros(2), "Give uint8 images of shape"),
    (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(3), "3 labels for 2 images"),
])
def test_what_are_no_labelled_images_is_refused(x, y, says):
    with pytest.raises(ConfigError, match=says):
        Images(x, y)


def test_a_registered_function_is_loaded_by_name(monkeypatch):
    entry = DatasetEntry("Numbered", f"{__name__}:numbered", tuple("abcdefghij"), 3800)
    monkeypatch.setitem(DATASETS, "numbered", entry)
    dataset = load_dataset("numbered")
    assert dataset.class_names == tuple("abcdefghij") and numbers(dataset.test)[:2] == [0, 1]
    load_dataset.cache_clear()


@pytest.mark.parametrize("name", [name for name, entry in DATASETS.items() if entry.embedded])
def test_registered_sets_are_what_their_entry_says(name):
    dataset, entry = load_dataset(name), DATASETS[name]
    assert len(dataset.train) == entry.train_images
    for part in (dataset.train, dataset.reserve, dataset.test):
        assert set(part.y.tolist()) == set(range(len(entry.class_names)))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match="'cifar' is unknown. Choose one of signs, digits"):
        load_dataset("cifar")
