"""The one conversion of images, bit by bit against numpy and against both of its orders."""

import numpy as np
import pytest
import torch

from ngf_core.data.floats import as_floats

LEVELS = torch.arange(256, dtype=torch.uint8)


def test_all_levels_are_the_float32_nearest_to_a_255th():
    assert np.array_equal(as_floats(LEVELS).numpy(), np.arange(256, dtype=np.float32) / 255)
    exact = np.arange(256, dtype=np.float64) / 255
    assert np.array_equal(as_floats(LEVELS).numpy(), exact.astype(np.float32))
    assert torch.equal(as_floats(LEVELS), LEVELS.float() / 255)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_of_any_type(dtype):
    found = as_floats(LEVELS, dtype)
    assert found.dtype == dtype and torch.equal(found, LEVELS.to(dtype) / 255)


def test_the_images_are_left_as_they_are():
    x = LEVELS.clone()
    as_floats(x)
    assert torch.equal(x, LEVELS)


@pytest.mark.parametrize("x", [torch.rand(3), torch.rand(3).double(), torch.arange(3)])
def test_what_is_no_image_is_handed_through(x):
    assert as_floats(x) is x
