"""Zips of images: unpacked under names of our own, and refused where they lead elsewhere."""

import io
import stat
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from math import inf

import pytest
from PIL import Image

from ngf_core.data.dataset import load_dataset
from ngf_core.data.torchvision_guard import torchvision
from ngf_core.errors import ConfigError
from ngf_core.imports import unzipped as module
from ngf_core.imports.aside import turn
from ngf_core.imports.unzipped import unzip_here, unzipped


def png(level=100):
    content = io.BytesIO()
    Image.new("RGB", (8, 8), (level, 0, 0)).save(content, "png")
    return content.getvalue()


def packed(place, names):
    with zipfile.ZipFile(place, "w") as archive:
        for name in names:
            archive.writestr(name, png() if str(name).endswith("png") else b"text")
    return place


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("inside, wanted", [
    (["cat/a.png", "dog/b.png", "readme.txt"], ["cat/000000.png", "dog/000001.png"]),
    (["set/cat/a.png", "set/dog/b.png", "__MACOSX/set/a.png", "set/.hidden.png"],
     ["cat/000000.png", "dog/000001.png"]),
    (["train/cat/a.png", "test/cat/b.png"], ["test/cat/000001.png", "train/cat/000000.png"]),
    (["a.png", "b.png"], ["000000.png", "000001.png"]),
    (["x\\cat\\a.png", "x\\dog\\b.png"], ["cat/000000.png", "dog/000001.png"]),
    (["<b>/a.png", "..hidden./b.png"], ["_b_/000000.png", "hidden/000001.png"]),
], ids=["classes", "one folder above", "parts", "flat", "backslashes", "odd names"])
def test_what_comes_out(tmp_path, inside, wanted):
    folder = unzipped(packed(tmp_path / "a.zip", inside), tmp_path / "kept")
    assert names(folder) == wanted and folder.parent == tmp_path / "kept"
    assert len(folder.name) == 64 and unzipped(tmp_path / "a.zip", tmp_path / "kept") == folder


def test_it_is_a_data_set(tmp_path):
    inside = [f"{name}/{i}.png" for name in ("cat", "dog") for i in range(40)]
    folder = unzipped(packed(tmp_path / "a.zip", inside), tmp_path / "kept")
    dataset = load_dataset("folder", str(folder), size=8)
    assert dataset.class_names == ("cat", "dog") and len(dataset.test) == 16


def link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize("inside, message", [
    (["../../cat/a.png"], "leads out of the archive"), (["/etc/a.png"], "leads out"),
    (["C:/cat/a.png"], "leads out"), ([link("cat/a.png")], "is a link"),
    (["readme.txt"], "holds no image"), (["a/b/c/d/e.png", "a/x.png"], "lies too deep")])
def test_what_is_refused(tmp_path, inside, message):
    with pytest.raises(ConfigError, match=message):
        unzip_here(packed(tmp_path / "a.zip", inside), tmp_path)


def test_no_zip(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(ConfigError, match="cannot be unpacked"):
        unzipped(tmp_path / "a.zip", tmp_path / "kept")
    assert not list((tmp_path / "kept").iterdir())


def test_images_end_as_for_torchvision():
    assert module.ENDINGS == torchvision.datasets.folder.IMG_EXTENSIONS


def test_bombs(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/a.png", b"\0" * 3_000_000)
    monkeypatch.setattr(module, "MOST_BYTES_EACH", 1_000_000)
    with pytest.raises(ConfigError, match="larger than can be taken"):
        unzip_here(tmp_path / "a.zip", tmp_path)
    # A directory that lies about the size of what it lists.
    content = bytearray((tmp_path / "a.zip").read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24:at + 28] = (100).to_bytes(4, "little")
    (tmp_path / "b.zip").write_bytes(content)
    with pytest.raises(ConfigError, match="zip: (unpacks to more|cannot be unpacked)"):
        unzip_here(tmp_path / "b.zip", tmp_path)


@pytest.mark.parametrize("content, message", [(b"", "zip: is empty"), (b"Rar!\x1a", "is no zip")])
def test_what_is_no_zip_by_its_first_bytes_takes_nobodys_turn(tmp_path, content, message):
    (tmp_path / "a.zip").write_bytes(content)
    with turn(tmp_path / "kept"), pytest.raises(ConfigError, match=message):
        unzipped(tmp_path / "a.zip", tmp_path / "kept")


def test_the_room_is_asked_for_when_the_turn_has_come(tmp_path):
    archive, waited = packed(tmp_path / "a.zip", ["cat/a.png", "dog/b.png"]), threading.Event()
    left = [inf]
    with ThreadPoolExecutor() as pool:
        with turn(tmp_path / "kept"):
            later = pool.submit(unzipped, archive, tmp_path / "kept", lambda: left[0], waited.set)
            assert waited.wait(60)
            left[0] = 2 * len(png()) - 1.0
        with pytest.raises(ConfigError, match=r"zip: needs .* GB are left here \(NGF_STORE_GB\)"):
            later.result(120)
    assert not list((tmp_path / "kept").iterdir())
    assert unzipped(archive, tmp_path / "kept", lambda: 2.0 * len(png())).is_dir()


def test_unpacking_stops_where_the_room_ends(tmp_path):
    """Whatever the archive's directory says of its sizes."""
    archive = packed(tmp_path / "a.zip", ["cat/a.png", "dog/b.png"])
    with zipfile.ZipFile(archive) as opened:
        wanted = module._wanted(opened, inf)
        with pytest.raises(ConfigError, match="unpacks to more"):
            module._unpack(opened, wanted, tmp_path / "out", 1.5 * len(png()))
    assert names(tmp_path / "out") == ["cat/000000.png"]
