import pytest
import torch

from ngf_core.device import full_float32, instructions


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


@pytest.mark.parametrize(("bf16", "amx", "said"), [
    (False, False, "AVX2"), (True, False, "AVX2 bf16"), (True, True, "AVX2 bf16 AMX")])
def test_the_instructions_of_a_processor(monkeypatch, bf16, amx, said):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert instructions() == said
