"""The cache may cost time, never correctness."""

import io
import zipfile
from pathlib import Path

import pytest
import torch

from ngf_core.data.cache import cached
from ngf_core.paths import cache_folder


class Maker:
    """Makes two small images and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> tuple[torch.Tensor, torch.Tensor]:
        self.times += 1
        return torch.arange(24, dtype=torch.uint8).view(2, 3, 2, 2), torch.tensor([4, 5])


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("NGF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def right(result: tuple[torch.Tensor, torch.Tensor]) -> bool:
    x, y = Maker()()
    return torch.equal(result[0], x) and torch.equal(result[1], y) and result[0].dtype == x.dtype


def test_what_was_made_is_kept_under_its_bytes(folder):
    make = Maker()
    assert right(cached("a", b"one", make)) and right(cached("a", b"one", make))
    assert make.times == 1
    cached("a", b"two", make)
    cached("b", b"one", make)
    assert make.times == 3 and len(list(folder.iterdir())) == 3


def test_any_damage_is_repaired(folder):
    cached("a", b"one", Maker())
    (file,) = folder.iterdir()
    good = file.read_bytes()
    damaged = [b"", b"no archive at all", good[:10], good[:100], good[:-1]]
    entry = good.index(b"PK\x01\x02")  # the first of the archive's directory: flags, method, ...
    places = {*range(entry, entry + 30), *range(0, len(good), 17)}
    damaged += [good[:i] + bytes([good[i] ^ flip]) + good[i + 1 :]
                for i in places for flip in (0x01, 0x20)]
    for content in damaged:
        file.write_bytes(content)
        assert right(cached("a", b"one", Maker()))
    file.write_bytes(b"gone")
    make = Maker()
    cached("a", b"one", make)
    cached("a", b"one", make)
    assert make.times == 1 and [p.name for p in folder.iterdir()] == [file.name]


def test_whole_files_of_other_content_are_not_believed(folder):
    cached("a", b"one", Maker())
    (file,) = folder.iterdir()
    good = file.read_bytes()
    pixels = bytes(range(24))
    assert good.count(pixels) == 1
    changed = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(pixels, pixels[::-1]))
    file.write_bytes(changed.getvalue())
    make = Maker()
    assert right(cached("a", b"one", make)) and make.times == 1


def test_a_folder_that_cannot_be_written_only_costs_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    for place in ("file", "file/below"):
        monkeypatch.setenv("NGF_CACHE", str(tmp_path / place))
        make = Maker()
        assert right(cached("a", b"one", make)) and right(cached("a", b"one", make))
        assert make.times == 2


def test_a_full_disk_leaves_no_half_file(folder, monkeypatch):
    def full(path, **_: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ngf_core.data.cache.np.savez", full)
    assert right(cached("a", b"one", Maker()))
    assert list(folder.iterdir()) == []


def test_without_the_variable_the_cache_is_beside_the_code(monkeypatch):
    monkeypatch.delenv("NGF_CACHE", raising=False)
    assert cache_folder() == Path(__file__).parents[3] / ".cache"
