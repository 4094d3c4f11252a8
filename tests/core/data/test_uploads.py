"""Uploaded images are bounded by what they take once decoded; files of decoded images end."""

import os
import time

import pytest
import torch
from PIL import Image

from ngf_core.data import stored, uploads
from ngf_core.data.dataset import load_dataset, outline
from ngf_core.data.mapped import kept
from ngf_core.data.stored import HOURS, decoded_size, forget_unused
from ngf_core.data.uploads import FOLDER, MOST_PIXELS, refuse_large, uploaded
from ngf_core.errors import ConfigError
from tests.core.data.test_mapped import COUNT, Maker, whole


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NGF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def images(folder):
    """Two classes of twenty one-pixel images."""
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for i in range(20):
            Image.new("RGB", (1, 1), (i, 0, 0)).save(folder / name / f"{i}.png")
    return str(folder)


def aged(path, hours=HOURS + 1):
    then = time.time() - 3600 * hours
    os.utime(path, (then, then))


def test_the_limit_is_on_pixels_of_all_images():
    refuse_large(f"runs/{FOLDER}/a", 1_000_000, 10)
    assert MOST_PIXELS == 1_000_000 * 10**2
    with pytest.raises(ConfigError, match=r"size: 1,000,001 uploaded images of 10 x 10 pixels"):
        refuse_large(f"runs/{FOLDER}/a", 1_000_001, 10)
    refuse_large("data/a", 1_000_001, 10)


def test_a_small_zip_of_dots_is_not_decoded_at_a_large_side(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_PIXELS", 40 * 16**2)
    sent = images(tmp_path / FOLDER / "sha")
    own = images(tmp_path / "own")
    load_dataset("folder", sent, size=16)
    for look in (outline, load_dataset):
        with pytest.raises(ConfigError, match="40 uploaded images of 17 x 17 pixels"):
            look("folder", sent, size=17)
        look("folder", own, size=17)
    assert sorted(path.name.partition("-")[0] for path in cache.glob("*.images")) == [
        "folder", "upload"]


def test_what_is_an_upload():
    assert uploaded(f"/runs/{FOLDER}/abc") and not uploaded("/runs/abc")


def test_decoded_images_that_nothing_used_for_a_day_go(cache):
    old, used, other = (kept(name, b"one", Maker()).path for name in ("upload", "upload2", "set"))
    for path in (old, used, other):
        aged(path)
    kept("upload2", b"one", Maker())  # found, and so used
    forget_unused("upload")
    assert {path.stem for path in cache.glob("*.images")} == {used.stem, other.stem}
    assert not old.with_suffix(".npz").exists() and used.with_suffix(".npz").exists()
    forget_unused()
    assert {path.stem for path in cache.glob("*.images")} == {used.stem}
    assert whole(kept("upload", b"one", Maker())), "it is made again"


def test_a_build_in_progress_is_left_alone(cache):
    from filelock import FileLock

    path = kept("upload", b"one", Maker()).path
    aged(path)
    with FileLock(path.with_suffix(".lock")):
        forget_unused()
    assert path.exists()


def test_what_a_kill_left_is_counted_and_goes(cache):
    path = kept("upload", b"one", Maker()).path
    left = cache / "upload-killed.partial"
    left.write_bytes(bytes(1000))
    assert decoded_size() == COUNT * 48 + 1000 == path.stat().st_size + 1000
    aged(left)
    forget_unused()
    assert not left.exists() and path.exists()


def test_an_absent_cache_takes_nothing(cache):
    forget_unused()
    assert decoded_size() == 0 and not cache.exists() and stored.HOURS == 24


def test_mapped_images_outlive_their_file(tmp_path, cache):
    dataset = load_dataset("folder", images(tmp_path / "own"), size=8)
    before = dataset.test.x.clone()
    for path in cache.glob("*.images"):
        aged(path)
    forget_unused()
    assert not list(cache.glob("*.images"))
    assert torch.equal(dataset.test.copy().x, before)
