"""Where a checkout keeps what ships, its caches and data sets, and which commit it is."""

import subprocess
from pathlib import Path

import pytest

from ngf_core import paths
from ngf_core.data.source import data_folder
from ngf_core.paths import cache_folder
from ngf_core.runs import manifest

ROOT = Path(__file__).parents[2]


def test_a_checkout_has_everything_at_its_top(monkeypatch):
    for name in ("NGF_DATA", "NGF_CACHE"):
        monkeypatch.delenv(name, raising=False)
    assert paths.checkout() == ROOT and paths.shipped("assets", "zoo") == ROOT / "assets" / "zoo"
    assert (data_folder(), cache_folder()) == (ROOT / "data", ROOT / ".cache")


@pytest.mark.parametrize(("variable", "folder"), [
    ("XDG_CACHE_HOME", "named/ngf-lab"), ("LOCALAPPDATA", "named/ngf-lab"),
    (None, "home/.cache/ngf-lab")])
def test_an_installed_package_caches_where_its_user_does(variable, folder, tmp_path, monkeypatch):
    (tmp_path / "shipped").mkdir()
    monkeypatch.setattr(paths, "_PACKAGE", tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("NGF_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "named"))
    assert paths.checkout() is None and paths.shipped("app") == tmp_path / "shipped" / "app"
    assert cache_folder() == tmp_path / folder


@pytest.mark.parametrize(("place", "known"), [("ngf_core", True),
                                              (".venv/lib/site-packages/ngf_core", False)])
def test_the_commit_is_that_of_our_own_checkout(place, known, tmp_path, monkeypatch):
    package = tmp_path / place
    package.mkdir(parents=True)
    (package / "code.py").touch()
    person = ("-c", "user.name=somebody", "-c", "user.email=some@body")
    for words in (("init", "-q"), ("add", "."), (*person, "commit", "-qm", "all")):
        subprocess.run(("git", *words), cwd=tmp_path, check=True)
    monkeypatch.setattr(manifest, "files", lambda name: tmp_path / place)
    state = manifest.git_state()
    assert (state is not None) == known
    if state is not None:
        assert len(state["sha"]) == 40 and state["dirty"] is False
        (package / "code.py").write_text("1")
        assert manifest.git_state()["dirty"] is True
