"""Images in a file: mapped and not read, private to who writes, and never half a file."""

import os
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from ngf_core.data import mapped
from ngf_core.data.mapped import Plan, kept
from ngf_core.errors import ConfigError, NGFError

COUNT, SHAPE = 700, (3, 4, 4)


class Maker:
    """Plans images that are their own number modulo 251; counts plans and can be cut off."""

    def __init__(self, stop: int = COUNT) -> None:
        self.plans, self.stop = 0, stop

    def __call__(self) -> Plan:
        self.plans += 1
        return Plan(torch.arange(COUNT) % 7, self.image, SHAPE, {"note": ["a"]})

    def image(self, index: int) -> np.ndarray:
        if index == self.stop:
            raise NGFError("cut off")
        return np.full(SHAPE, index % 251, np.uint8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NGF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def pixels(stored: mapped.Kept) -> torch.Tensor:
    return mapped.mapped(stored.path, 0, COUNT, SHAPE)


def whole(stored: mapped.Kept) -> bool:
    x = (torch.arange(COUNT) % 251).to(torch.uint8)[:, None, None, None].expand(COUNT, *SHAPE)
    return (torch.equal(pixels(stored), x) and torch.equal(stored.labels, torch.arange(COUNT) % 7)
            and stored.notes == {"note": ["a"]} and stored.shape == SHAPE)


def test_what_is_planned_is_kept_and_found_again(folder):
    make = Maker()
    first, again = kept("a", b"one", make), kept("a", b"one", make)
    assert whole(first) and whole(again) and make.plans == 1
    assert first.sha256 == again.sha256
    assert whole(kept("a", b"two", make)) and make.plans == 2


def test_the_checksum_is_that_of_pixels_and_labels(folder):
    import hashlib

    stored = kept("a", b"one", Maker())
    content = pixels(stored).numpy().tobytes() + stored.labels.numpy().tobytes()
    assert stored.sha256 == hashlib.sha256(content).hexdigest()


def test_progress_ends_with_all(folder):
    seen = []
    kept("a", b"one", Maker(), lambda done, total: seen.append((done, total)))
    assert seen == [(256, 700), (512, 700), (700, 700)]


def test_a_build_that_was_cut_off_is_made_again(folder):
    with pytest.raises(NGFError, match="cut off"):
        kept("a", b"one", Maker(stop=600))
    assert [p.suffix for p in folder.iterdir()] == [".lock"]
    assert whole(kept("a", b"one", Maker()))


def test_what_a_kill_leaves_is_not_taken_for_whole(folder):
    path = kept("a", b"one", Maker()).path
    content = path.read_bytes()
    path.with_suffix(".npz").unlink()
    path.unlink()
    path.with_suffix(".partial").write_bytes(content[:5000])
    assert whole(kept("a", b"one", Maker()))
    assert not path.with_suffix(".partial").exists()


def test_a_damaged_file_is_made_again(folder):
    path = kept("a", b"one", Maker()).path
    beside = path.with_suffix(".npz")
    good = {place: place.read_bytes() for place in (path, beside)}
    for place, content in ((path, good[path][:-1]), (path, b""), (beside, good[beside][:99]),
                           (beside, b""), (beside, b"no archive"), (path, None), (beside, None)):
        place.unlink()
        if content is not None:
            place.write_bytes(content)
        make = Maker()
        assert whole(kept("a", b"one", make)) and make.plans == 1


def test_writing_stays_in_one_mapping(folder):
    stored = kept("a", b"one", Maker())
    before = stored.path.read_bytes()
    mine, other = pixels(stored), pixels(stored)
    mine[5] = 77
    assert (mine[5] == 77).all() and (other[5] == 5).all() and (pixels(stored)[5] == 5).all()
    assert stored.path.read_bytes() == before


def test_a_part_begins_where_it_should(folder):
    stored = kept("a", b"one", Maker())
    part = mapped.mapped(stored.path, 300, 4, SHAPE)
    assert part.shape == (4, *SHAPE) and part[:, 0, 0, 0].tolist() == [49, 50, 51, 52]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_file_is_mapped_and_not_read(folder):
    x = pixels(kept("a", b"one", Maker()))
    lines = Path("/proc/self/maps").read_text().splitlines()
    ranges = [line.split()[0].split("-") for line in lines if line.endswith(".images")]
    assert any(int(low, 16) <= x.data_ptr() < int(high, 16) for low, high in ranges)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere holes in files are not for sure")
def test_a_file_larger_than_memory_can_be_mapped(tmp_path):
    side = 1024
    count = 2 * (psutil.virtual_memory().total + psutil.swap_memory().total) // side**2
    path = tmp_path / "large.images"
    path.touch()
    try:
        os.truncate(path, count * side**2)  # a hole: it takes no room
    except OSError:
        pytest.skip("this file system has no files of that size")
    x = mapped.mapped(path, 0, count, (1, side, side))
    x[-1] = 3
    assert int(x[-1].sum()) == 3 * side**2 and int(x[count // 2].sum()) == 0


def test_a_disk_without_room_is_said_before_anything_is_written(folder, monkeypatch):
    monkeypatch.setattr(mapped.shutil, "disk_usage",
                        lambda place: type("usage", (), {"free": COUNT * 48 - 1}))
    with pytest.raises(ConfigError, match=r"need 0.0 GB in .*cache, where .*\(limit\).*NGF_CACHE"):
        kept("a", b"one", Maker())
    assert [p.suffix for p in folder.iterdir()] == [".lock"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("NGF_CACHE", str(tmp_path / "file"))
    with pytest.raises(NGFError, match="cannot be stored in .*file .*Set NGF_CACHE to"):
        kept("a", b"one", Maker())


def test_a_disk_that_fills_up_leaves_nothing(folder, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mapped.os, "replace", full)
    with pytest.raises(NGFError, match="No space left on device"):
        kept("a", b"one", Maker())
    assert [p.suffix for p in folder.iterdir()] == [".lock"]
