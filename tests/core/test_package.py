"""The installed package: what its wheel holds, and that it works away from the checkout."""

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it lies in a folder of packages, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    name = output([sys.executable, "-c", BUILD, str(folder)], ROOT).splitlines()[-1]
    with zipfile.ZipFile(folder / name) as wheel:
        wheel.extractall(folder / "packages")
    (folder / name).unlink()
    return folder / "packages"


def output(command: list[str], folder: Path, **environment: str) -> str:
    """What the command prints."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240,
                          env=os.environ | environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def elsewhere(installed: Path, folder: Path, code: str) -> object:
    """What `code` prints as JSON in `folder`, where the package is the installed one."""
    return json.loads(output([sys.executable, "-c", code], folder, PYTHONPATH=str(installed),
                             NGF_RUNS="", NGF_DATA="", NGF_CACHE="", NGF_BENCHMARK="",
                             XDG_CACHE_HOME=str(folder / "caches")))


def tracked(*folders: str) -> set[str]:
    """The files of the checkout that git knows below these folders."""
    return set(output(["git", "ls-files", "--", *folders], ROOT).splitlines())


def test_the_wheel_holds_code_dashboard_and_assets(installed):
    held = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    beside = tracked("app", ".streamlit", "streamlit_app.py", "assets") - {
        "assets/draw_icon.py", "assets/screenshot.png"}
    wanted = tracked("ngf_core") | {f"ngf_core/shipped/{path}" for path in beside}
    assert wanted <= held
    assert "ngf_core/py.typed" in held and len(beside) > 400
    others = {path for path in held - wanted if ".dist-info/" not in path}
    # Files that are not committed yet may be there, but nothing from outside these folders.
    assert all(path.startswith("ngf_core/") for path in others)
    assert not any(name in path for path in held for name in ("tests/", "draw_icon", "screenshot"))


def test_the_zoo_and_the_tables_open_elsewhere(installed, tmp_path):
    states, cells, digits = elsewhere(installed, tmp_path, """
import json
from ngf_core.data.digits import load_digits
from ngf_core.evidence import load
from ngf_core.runs import default_store
runs = default_store().list()
print(json.dumps([{run.id: run.state for run in runs if run.shipped}, len(load("cells")),
                  len(load_digits()[0])]))
""")
    assert set(states) == {path.parent.name for path in ROOT.glob("assets/zoo/*/manifest.json")}
    assert "corrupt" not in states.values() and list(states.values()).count("done") >= 38
    assert cells > 50 and digits == 5000
    assert list(tmp_path.iterdir()) == []


def test_an_installed_package_writes_only_where_it_is_used(installed, tmp_path):
    places = elsewhere(installed, tmp_path, """
import json
from ngf_core.paths import cache_folder
from ngf_core.data.source import data_folder
from ngf_core.paths import checkout
from ngf_core.runs import default_store
from ngf_core.runs.manifest import git_state
print(json.dumps([str(default_store().root), str(data_folder()), str(cache_folder()),
                  checkout(), git_state()]))
""")
    assert places == [str(tmp_path / "runs"), str(tmp_path / "data"),
                      str(tmp_path / "caches" / "ngf-lab"), None, None]


def test_the_dashboard_draws_elsewhere(installed, tmp_path):
    drawn = elsewhere(installed, tmp_path, """
import json, sys
from streamlit.testing.v1 import AppTest
from ngf_core.paths import shipped
sys.path.insert(0, str(shipped()))  # as `streamlit run` does
app = AppTest.from_file(str(shipped("streamlit_app.py")), default_timeout=120).run()
print(json.dumps([[e.message for e in app.exception], [t.value for t in app.title],
                  sys.modules["app"].__path__[0]]))
""")
    assert drawn == [[], ["NGF Lab"], str(installed / "ngf_core" / "shipped" / "app")]


def test_every_dependency_allows_the_version_that_is_tested():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {}
    for name in ("requirements.txt", "requirements-dev.txt", "constraints.txt"):
        for line in (ROOT / name).read_text().splitlines():
            if line and not line.startswith(("#", "-")):
                pin = Requirement(line)
                pinned[pin.name.lower()] = next(iter(pin.specifier)).version
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["app"], *extras["dev"]]
    ranges = [Requirement(line) for line in wanted if not line.startswith("ngf-lab")]
    assert len(ranges) > 20
    assert [str(of) for of in ranges if pinned.get(of.name.lower()) not in of.specifier] == []
    assert project["scripts"] == {"ngf": "ngf_core.cli.main:main"}
