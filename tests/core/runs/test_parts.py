"""The finished parts of a run: what is kept is what is found, bit by bit, or nothing is."""

import math

import pytest
import torch

from ngf_core.runs import DiskFull, parts
from ngf_core.runs.parts import drop_parts, find_part, keep_part


def test_a_part_comes_back_bit_by_bit(tmp_path):
    plain = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    striped = plain.contiguous(memory_format=torch.channels_last)
    tensors = {"plain": plain, "striped": striped, "view": plain[0, :, ::2],
               "double": plain.double(), "bytes": torch.Generator().get_state(),
               "scalar": torch.tensor(math.nan), "empty": torch.empty(0, dtype=torch.int64),
               "grad": plain.clone().requires_grad_()}
    value = {"state": {0: tensors, 1: {"betas": (0.5, 0.9)}}, "lr": 0.1 + 0.2, "none": None,
             "words": ["é", True, -math.inf], "deep": [[plain, {"x": plain}]]}
    keep_part(tmp_path, "epoch", value)
    found = find_part(tmp_path, "epoch")
    for name, tensor in tensors.items():
        other = found["state"][0][name]
        assert other.dtype == tensor.dtype and other.shape == tensor.shape, name
        assert torch.equal(other, tensor) or (other.isnan() and tensor.isnan()), name
    assert found["state"][0]["striped"].stride() == striped.stride() != plain.stride()
    assert found["state"][1] == {"betas": [0.5, 0.9]} and found["lr"] == 0.1 + 0.2
    assert found["none"] is None and found["words"] == ["é", True, -math.inf]
    assert torch.equal(found["deep"][0][1]["x"], plain)


def test_a_later_part_takes_the_place_of_the_earlier_one(tmp_path):
    keep_part(tmp_path, "epoch", 1)
    keep_part(tmp_path, "epoch", 2)
    keep_part(tmp_path, "layer_a/b", 3)
    assert find_part(tmp_path, "epoch") == 2 and find_part(tmp_path, "layer_a/b") == 3
    drop_parts(tmp_path)
    assert find_part(tmp_path, "epoch") is None and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: b"",
                                    lambda content: b"\\xff" * 40])
def test_a_damaged_part_is_none(tmp_path, damage):
    keep_part(tmp_path, "epoch", {"x": torch.ones(3)})
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert find_part(tmp_path, "epoch") is None


def test_on_a_full_disk_the_earlier_part_stays(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise DiskFull("The disk is full.")

    keep_part(tmp_path, "epoch", 1)
    monkeypatch.setattr(parts, "replace_file", full)
    keep_part(tmp_path, "epoch", 2)
    assert find_part(tmp_path, "epoch") == 1


def test_what_a_part_cannot_hold(tmp_path):
    with pytest.raises(TypeError, match="a part cannot hold set"):
        keep_part(tmp_path, "epoch", {"x": {1}})
