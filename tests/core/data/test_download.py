"""Fetching, without a network: torchvision's and our own, from files and into errors."""

import urllib.error
import zipfile
from pathlib import Path

import pytest

from ngf_core.data import DATASETS, download
from ngf_core.data.dataset import load_dataset
from ngf_core.data.download import FETCHERS, fetch_file
from ngf_core.data.torchvision_guard import torchvision
from ngf_core.errors import ConfigError, NGFError
from tests.support import dataset_files


def offline(*_: object, **__: object) -> None:
    raise urllib.error.URLError("no network")


def test_what_has_a_size_can_be_fetched_and_nothing_else():
    assert {name for name, entry in DATASETS.items() if entry.download_bytes} == set(FETCHERS)


@pytest.mark.parametrize("name", FETCHERS)
def test_without_a_network_it_is_said_what_to_do(root, monkeypatch, name):
    monkeypatch.setattr(torchvision.datasets.utils.urllib.request, "urlopen", offline)
    with pytest.raises(NGFError) as caught:
        download.download(name, str(root))
    for part in (DATASETS[name].title, str(root), "no network", FETCHERS[name][0]):
        assert part in str(caught.value)


@pytest.mark.parametrize(("name", "says"), [
    ("signs", "Signs is not downloaded. It ships"), ("imagenet", "registered users"),
    ("folder", "one folder of images per class"), ("cifar", "'cifar' is unknown. Choose one of")])
def test_what_cannot_be_fetched_is_explained(root, name, says):
    with pytest.raises(ConfigError, match=says):
        download.download(name, str(root))


def test_a_disk_without_room_is_said_first(root, monkeypatch):
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: type("usage", (), {"free": 10**8}))
    monkeypatch.setattr(torchvision.datasets.utils.urllib.request, "urlopen",
                        lambda *_: pytest.fail("fetched"))
    with pytest.raises(ConfigError, match="need 0.6 GB in .*, where 0.1 GB are free"):
        download.download("svhn", str(root))


def test_what_is_whole_is_not_fetched_again(root, monkeypatch):
    dataset_files.svhn(root, monkeypatch)
    monkeypatch.setattr(torchvision.datasets.utils.urllib.request, "urlopen", offline)
    seen = []
    assert download.download("svhn", str(root), lambda *at: seen.append(at)) == root
    assert seen[-1] == (246_316_178, 246_316_178)


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> Path:
    """An archive of a made-up Tiny-ImageNet, which stands where the real one is fetched from."""
    made = tmp_path / "made"
    made.mkdir()
    dataset_files.tiny_imagenet(made)
    archive = tmp_path / "served.zip"
    with zipfile.ZipFile(archive, "w") as files:
        for path in sorted(made.rglob("*")):
            files.write(path, path.relative_to(made))
    monkeypatch.setattr(download, "TINY_URL", archive.as_uri())
    monkeypatch.setattr(download, "TINY_MD5", dataset_files.md5(archive))
    return archive


def test_tiny_imagenet_is_fetched_checked_and_unpacked(root, tiny):
    download.download("tiny_imagenet", str(root))
    assert len(load_dataset("tiny_imagenet", str(root)).test) == 6
    assert sorted(p.name for p in root.iterdir()) == ["tiny-imagenet-200", "tiny-imagenet-200.zip"]
    tiny.unlink()  # the archive is there and whole, so it is not fetched again
    (root / "tiny-imagenet-200" / "words.txt").unlink()
    download.download("tiny_imagenet", str(root))
    assert (root / "tiny-imagenet-200" / "words.txt").is_file()


def test_an_archive_that_is_not_the_right_one_is_not_kept(root, tiny):
    tiny.write_bytes(tiny.read_bytes()[:-100])
    with pytest.raises(NGFError, match="tiny-imagenet-200.zip has the MD5 .* instead of"):
        download.download("tiny_imagenet", str(root))
    assert list(root.iterdir()) == []


def test_progress_counts_bytes(root, tiny, monkeypatch):
    monkeypatch.setattr(download, "LOOK", 0.01)
    seen = []
    real = download.fetch_file

    def slow(url, path, md5):
        path.with_name(path.name + ".partial").write_bytes(bytes(1000))
        while not seen:
            pass
        real(url, path, md5)

    monkeypatch.setattr(download, "fetch_file", slow)
    download.download("tiny_imagenet", str(root), lambda *at: seen.append(at))
    assert (1000, 248_100_043) in seen and seen[-1] == (248_100_043, 248_100_043)


def test_a_stream_goes_to_its_file_in_one_piece(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 9000)
    fetch_file(source.as_uri(), tmp_path / "copy", dataset_files.md5(source))
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    with pytest.raises(OSError, match="lost"):
        fetch_file((tmp_path / "lost").as_uri(), tmp_path / "other", "0")
    assert not (tmp_path / "other").exists()


def test_a_place_that_is_no_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ConfigError, match="file cannot hold a data set .* Name a writable folder"):
        download.download("mnist", str(tmp_path / "file"))
