import pytest
import torch

from ngf_core.device import full_float32


@pytest.mark.parametrize("before", [True, False])
def test_tf32_is_off_inside_and_put_back_after_an_exception(before):
    flags, default = torch.backends.cudnn, torch.backends.cudnn.allow_tf32
    flags.allow_tf32 = before
    try:
        with pytest.raises(ZeroDivisionError), full_float32(torch.device("cuda")):
            assert not flags.allow_tf32
            _ = 1 / 0
        assert flags.allow_tf32 is before
        with full_float32(torch.device("cpu")):
            assert flags.allow_tf32 is before
    finally:
        flags.allow_tf32 = default
