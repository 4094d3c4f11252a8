"""D A D against the dense product, and the message for a scale of the wrong shape."""

import pytest
import torch

from ngf_core.curvature.operators.scaled import ScaledOperator
from ngf_core.errors import ConfigError
from tests.support.known_spectra import with_spectrum
from tests.support.seeded import seeded


def test_products_are_those_of_d_a_d():
    a = with_spectrum([5.0, 2, -1])
    d = torch.tensor([1.0, 0, 3]).double()
    v = torch.randn(3, generator=seeded(0), dtype=torch.float64)
    scaled = ScaledOperator(a, d)
    assert torch.allclose(scaled @ v, (d[:, None] * a.entries * d) @ v)
    assert scaled.products == a.products == 1 and scaled.size == 3
    assert scaled.dtype == torch.float64 and scaled.device == torch.device("cpu")


def test_a_scale_of_another_shape_is_refused():
    with pytest.raises(ConfigError, match=r"shape is \(2,\). Give a vector of shape \(3,\)"):
        ScaledOperator(with_spectrum([1.0, 2, 3]), torch.ones(2))
