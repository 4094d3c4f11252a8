"""BatchNorm by the batch, and its running statistics afterwards."""

import pytest
import torch

from ngf_core.purify.batchnorm import batch_statistics
from tests.support.tiny_models import clean_set, tiny


def test_outputs_are_those_of_training_mode_and_nothing_is_left_of_it():
    model, reference = tiny().eval(), tiny().train()
    x = clean_set().x.float() / 255
    before = {key: value.clone() for key, value in model.state_dict().items()}
    plain = model(x)
    with batch_statistics(model):
        assert torch.equal(model(x), reference(x))
    assert not torch.allclose(plain, reference(x), atol=1e-3)
    assert torch.equal(model(x), plain)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(m.training for m in model.modules())


def test_it_is_put_back_after_an_error():
    model = tiny().eval()
    with pytest.raises(ZeroDivisionError), batch_statistics(model):
        1 / 0  # noqa: B018
    assert model.bn1.track_running_stats and not model.bn1.training
