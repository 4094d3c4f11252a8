"""Uploads that no run names are deleted after a day."""

import os
import time

from ngf_core.config import ImportConfig, TrainConfig
from ngf_core.data.uploads import FOLDER
from ngf_core.imports.tidy import HOURS, tidy
from ngf_core.runs import RunStore

SHA = {letter: letter * 64 for letter in "abcdef"}


def aged(path, hours):
    then = time.time() - 3600 * hours
    os.utime(path, (then, then))


def test_what_no_run_names_goes_after_a_day(tmp_path):
    store = RunStore(tmp_path / "runs")
    folder = tmp_path / "runs" / FOLDER
    folder.mkdir(parents=True)
    for name in ("a", "b"):
        (folder / f"{SHA[name]}.safetensors").write_text("x")
        (folder / f"{SHA[name]}.json").write_text("{}")
    for name in ("c", "d", "e"):
        (folder / SHA[name] / "cat").mkdir(parents=True)
    (folder / "upload-1").write_text("left by a crash")
    (tmp_path / "outside").mkdir()
    (folder / "link").symlink_to(tmp_path / "outside")
    store.create(ImportConfig(file="m.pt", normalisation="ngf", file_sha=SHA["a"],
                              triggered=str(folder / SHA["c"])))
    store.create(TrainConfig(dataset="folder", root=str(folder / SHA["d"])))
    for path in folder.iterdir():
        if not path.is_symlink():
            aged(path, HOURS + 1)
    (folder / f"{SHA['f']}.json").write_text("{}")
    tidy(store)
    assert {path.name for path in folder.iterdir()} == {
        f"{SHA['a']}.safetensors", f"{SHA['a']}.json", SHA["c"], SHA["d"], f"{SHA['f']}.json",
        "link"}
    assert (tmp_path / "outside").is_dir()


def test_an_empty_store_is_left_alone(tmp_path):
    tidy(RunStore(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_decoded_images_of_uploads_go_a_day_after_their_last_use(tmp_path, monkeypatch):
    monkeypatch.setenv("NGF_CACHE", str(tmp_path))
    for name in ("upload-1", "upload-2", "cifar10-1"):
        (tmp_path / f"{name}.images").write_text("pixels")
        aged(tmp_path / f"{name}.images", HOURS + 1 if name != "upload-2" else HOURS - 1)
    tidy(RunStore(tmp_path / "none"))
    assert {path.stem for path in tmp_path.glob("*.images")} == {"upload-2", "cifar10-1"}
