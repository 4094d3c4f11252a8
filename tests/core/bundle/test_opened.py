"""Bundles in another store; and those that are not what they say."""

import io
import json
import stat
import warnings
import zipfile

import numpy as np
import pytest

from ngf_core.bundle import opened, unpack
from ngf_core.bundle.contents import bundle, contents, sums
from ngf_core.bundle.opened import read_bundle, take_in
from ngf_core.bundle.unpack import unpack_here
from ngf_core.errors import ConfigError, RunError
from ngf_core.runs import RunStore
from ngf_core.runs.archive import packed
from ngf_core.runs.manifest import change_manifest, encoded
from ngf_core.trained.load import load_trained
from tests.support.fabricated_runs import make_run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store with a race, and the race."""
    store = RunStore(tmp_path_factory.mktemp("made"))
    return store, make_run(store, "purify")


@pytest.fixture(scope="module")
def files(made):
    """The files of a training's bundle."""
    store, race = made
    return contents([store.get(race.config.source)], store)


@pytest.fixture
def here(monkeypatch):
    """Bundles are unpacked in this process, which takes no seconds to start."""
    monkeypatch.setattr(opened, "aside", lambda task, file, folder, **limits:
                        unpack_here(file, folder))


def put(folder, content):
    (folder / "a.zip").write_bytes(content)
    return folder / "a.zip"


def test_runs_come_out_as_they_went_in_and_are_foreign(made, tmp_path):
    store, race = made
    other = RunStore(tmp_path / "other")
    taken = take_in(put(tmp_path, bundle([race], store, weights=True)), other)
    assert [run.id for run in taken.new] == [race.config.source, race.id] and not taken.had
    there = other.get(race.id)
    assert there.state == "done" and there.results == race.results
    assert there.points().equals(race.points())
    for name, value in race.tensors("after_ngf").items():
        assert there.tensors("after_ngf")[name].equal(value)
    assert set(there.manifest["foreign"]) == {"bundle", "opened"}
    assert race.manifest["foreign"] is None
    assert not [path for path in other.root.iterdir() if path.name.startswith(".bundle.")
                and path.is_dir()]


def test_what_is_there_stays(here, made, tmp_path):
    store, race = made
    archive = put(tmp_path, bundle([race], store))
    first = take_in(archive, RunStore(tmp_path / "other"))
    again = take_in(archive, RunStore(tmp_path / "other"))
    assert not again.new and again.had == first.new


def test_an_unzipped_bundle_is_read_too(here, files, tmp_path):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "work").mkdir()
    with read_bundle(tmp_path) as runs:
        assert [run.kind for run in runs] == ["train"]
    (tmp_path / "requirements.lock").unlink()
    with pytest.raises(ConfigError, match="is no unzipped bundle, or not whole"), \
            read_bundle(tmp_path):
        pass


def test_another_run_of_that_id_stays(here, made, files, tmp_path):
    store, race = made
    other = RunStore(tmp_path / "other")
    take_in(put(tmp_path, packed(files)), other)
    manifest = store.get(race.config.source).manifest
    changed = manifest | {"results": {}}
    mine = files | {f"runs/{manifest['id']}/manifest.json": encoded(changed)}
    with pytest.raises(RunError, match="There is another run"):
        take_in(put(tmp_path, packed(resummed(mine))), other)
    assert other.get(manifest["id"]).results == manifest["results"]


def test_a_truncated_zip(files, tmp_path):
    content = packed(files)
    with pytest.raises(ConfigError, match="bundle: it cannot be unpacked"):
        take_in(put(tmp_path, content[:len(content) // 3]), RunStore(tmp_path / "other"))
    assert not RunStore(tmp_path / "other").list()
    # Of the arrays inside, which are zips too, the last now ends the file.
    with pytest.raises(ConfigError, match="bundle: "):
        unpack_here(put(tmp_path, content[:-100]), tmp_path / "out")


def test_a_flipped_bit_anywhere_in_a_file_is_found(files, tmp_path):
    content = packed(files)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        starts = [info.header_offset + 30 + len(info.filename) for info in archive.infolist()]
    for start in starts:
        flipped = bytearray(content)
        flipped[start + 3] ^= 1
        with pytest.raises(ConfigError, match="bundle: "):
            unpack_here(put(tmp_path, bytes(flipped)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def resummed(files):
    plain = {name: content for name, content in files.items() if name != "SHA256SUMS"}
    return plain | {"SHA256SUMS": sums(plain)}


def without(files, name):
    return {other: content for other, content in files.items() if other != name}


def run_file(files, name):
    return next(path for path in files if path.startswith("runs/") and path.endswith(name))


def renamed(files, name):
    old = json.loads(files["bundle.json"])["runs"][0]
    moved = {path.replace(f"runs/{old}/", f"runs/{name}/"): content
             for path, content in files.items()}
    return resummed(moved | {"bundle.json": files["bundle.json"].replace(
        old.encode(), name.encode())})


POINT = (b'{"type": "point", "method": [], "step": "x", "seconds": 0, "metrics": {"acc": 1}, '
         b'"n": {}}\n')


def bomb():
    content = io.BytesIO()
    np.savez_compressed(content, zeros=np.zeros(4_000_000, np.uint8))
    return content.getvalue()


def pickled():
    content = io.BytesIO()
    np.savez(content, thing=np.array([{}], dtype=object), allow_pickle=True)
    return content.getvalue()


@pytest.mark.parametrize(("change", "says"), [
    (lambda f: without(f, "SHA256SUMS"), "it has no SHA256SUMS"),
    (lambda f: f | {"report.html": b"other"}, "report.html differs from its sum"),
    (lambda f: f | {"figures/more.csv": b"1"}, "do not name each other"),
    (lambda f: without(f, "requirements.lock"), "do not name each other"),
    (lambda f: resummed(f | {"../evil": b"1"}), "'../evil' is no file of a bundle"),
    (lambda f: resummed(f | {"/etc/evil": b"1"}), "is no file of a bundle"),
    (lambda f: resummed(f | {"runs/../evil/events.jsonl": b"1"}), "is no file of a bundle"),
    (lambda f: resummed(f | {"runs/a/keep": b""}), "is no file of a bundle"),
    (lambda f: resummed(f | {"runs/a/model.pt": b""}), "is no file of a bundle"),
    (lambda f: resummed(f | {"runs/stray/events.jsonl": b""}), "the folders in runs/"),
    (lambda f: resummed(f | {"bundle.json": b"[" * 100_000}), "bundle.json is missing or says"),
    (lambda f: resummed(f | {"bundle.json": b'{"format": 9, "runs": []}'}), "has the format 9"),
    (lambda f: renamed(f, "benchmark"), "benchmark cannot be the id of a run"),
    (lambda f: resummed(f | {run_file(f, "samples.npz"): bomb()}), "unpacks to more than may"),
    (lambda f: resummed(f | {run_file(f, "samples.npz"): pickled()}), "cannot be read"),
    (lambda f: resummed(f | {run_file(f, "curves.parquet"): b"PAR1"}), "cannot be read"),
    (lambda f: resummed(f | {run_file(f, "events.jsonl"): POINT}), "run .* cannot be read"),
])
def test_what_is_no_bundle_is_refused(files, tmp_path, monkeypatch, change, says):
    monkeypatch.setattr(unpack, "MOST_BYTES_EACH", 3_900_000)
    small = without(files, "report.html") | {"report.html": b"<!doctype html>"}
    changed = change(resummed(small))
    with pytest.raises(ConfigError, match=says):
        unpack_here(put(tmp_path, packed(changed)), tmp_path / "out")
    assert not (tmp_path / "evil").exists()


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "MOST_BYTES_EACH", 1_000_000)
    with pytest.raises(ConfigError, match="report.html unpacks to more than may be taken"):
        unpack_here(put(tmp_path, packed({"report.html": bytes(5_000_000)})), tmp_path / "out")
    monkeypatch.setattr(unpack, "MOST_BYTES", 4_000_000)
    with pytest.raises(ConfigError, match="it is larger than"):
        unpack_here(put(tmp_path, packed({"report.html": bytes(5_000_000)})), tmp_path / "out")


def test_links_and_names_given_twice_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("report.html")
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(ConfigError, match="'report.html' is a link"):
        unpack_here(tmp_path / "a.zip", tmp_path / "out")
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("report.html", "1")
        archive.writestr("report.html", "2")
    with pytest.raises(ConfigError, match="report.html is in it twice"):
        unpack_here(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize(("entries", "says"), [
    ({"state": "running"}, "is running"), ({"files": {}}, "is not what its manifest"),
    ({"config": {"kind": "train", "epochs": -1}}, "holds a config this version cannot use")])
def test_manifests_that_are_not_of_finished_runs(here, made, files, tmp_path, entries, says):
    store, race = made
    manifest = store.get(race.config.source).manifest | entries
    mine = resummed(files | {run_file(files, "manifest.json"): encoded(manifest)})
    with pytest.raises(ConfigError, match=says):
        take_in(put(tmp_path, packed(mine)), RunStore(tmp_path / "other"))
    assert not RunStore(tmp_path / "other").list()


def test_a_run_does_not_come_before_what_it_stands_on(here, made, tmp_path):
    store, race = made
    files = contents([race], store)
    about = json.loads(files["bundle.json"])
    turned = files | {"bundle.json": json.dumps(about | {"runs": about["runs"][::-1]}).encode()}
    other = RunStore(tmp_path / "other")
    with pytest.raises(ConfigError, match="which does not come before it"):
        take_in(put(tmp_path, packed(resummed(turned))), other)
    manifest = race.manifest
    name = run_file(files, f"{race.id}/manifest.json")
    for entries, says in (({"source": race.id}, "does not come before it"),
                          ({"kind": "spectrum"}, None)):
        config = manifest["config"] | entries
        mine = encoded(manifest | {"config": config, "kind": config["kind"]})
        with pytest.raises(ConfigError, match=says):
            take_in(put(tmp_path, packed(resummed(files | {name: mine}))), other)
    assert not other.list()


@pytest.mark.parametrize(("make", "says"), [
    (lambda path: path.write_text("mine"), "is no run. Move it away"),
    (lambda path: path.symlink_to("nowhere"), "is no run. Move it away"),
    (lambda path: path.mkdir(), "is here already, and damaged.* is missing")])
def test_what_is_in_the_way_is_named_and_stays(here, made, files, tmp_path, make, says):
    store, race = made
    other = RunStore(tmp_path / "other")
    other.root.mkdir()
    place = other.root / race.config.source
    make(place)
    with pytest.raises(RunError, match=says):
        take_in(put(tmp_path, packed(files)), other)
    assert [path for path in other.root.iterdir() if not path.name.endswith(".lock")] == [place]


@pytest.mark.parametrize("left", ["a link", "a path"])
def test_what_the_reading_process_leaves_is_not_trusted(made, files, tmp_path, monkeypatch, left):
    def left_by(task, file, folder, **limits):
        about = unpack_here(file, folder)
        (folder / "runs" / about["runs"][0] / "more").symlink_to("/etc/passwd")
        return about

    monkeypatch.setattr(opened, "aside", left_by if left == "a link" else
                        lambda task, file, folder, **limits: {"runs": ["../.."]})
    other = RunStore(tmp_path / "other")
    with pytest.raises(ConfigError, match="holds what no bundle holds"):
        take_in(put(tmp_path, packed(files)), other)
    assert not other.list()


def test_a_manifest_is_small(tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "MOST_BYTES_JSON", 1_000)
    with pytest.raises(ConfigError, match="bundle.json unpacks to more than may be taken"):
        unpack_here(put(tmp_path, packed({"bundle.json": bytes(1_001)})), tmp_path / "out")


def test_no_file_is_said(tmp_path):
    with pytest.raises(ConfigError, match="there is no file"):
        take_in(tmp_path / "none.zip", RunStore(tmp_path / "other"))


def altered(files, change):
    """The bundle with each of its manifests changed, and every sum right again."""
    def manifest(content: bytes) -> bytes:
        found = json.loads(content)
        del found["manifest_sha"]
        change(found)
        return encoded(found)

    made = {name: manifest(content) if name.endswith("manifest.json") else content
            for name, content in files.items() if name != "SHA256SUMS"}
    return packed(made | {"SHA256SUMS": sums(made)})


@pytest.mark.parametrize("change", [
    lambda found: found["results"].update(doubts=["![x](http://127.0.0.1:1/p.png)"]),
    lambda found: found.update(device="see www.example.org"),
    lambda found: found["versions"].update({"<img src=x>": "1"}),
    lambda found: found.update(message="[here](/runs)")])
def test_a_manifest_with_a_link_or_a_picture_is_refused(files, tmp_path, here, change):
    with pytest.raises(ConfigError, match="holds a link or a picture"):
        take_in(put(tmp_path, altered(files, change)), RunStore(tmp_path / "other"))


def test_a_network_that_code_of_its_own_builds_is_refused(tmp_path, here):
    store = RunStore(tmp_path / "made")
    run = make_run(store, "import", builder="http.server:test", file="theirs.pt")
    content = bundle([run], store, weights=True)
    with pytest.raises(ConfigError, match="network that code of its own builds"):
        take_in(put(tmp_path, content), RunStore(tmp_path / "other"))


def test_what_such_a_run_left_is_not_hidden_in_a_races_results(files, made, tmp_path, here):
    store, race = made
    content = contents([race], store)

    def built(found):
        if found["kind"] == "purify":
            found["results"]["train_config"]["builder"] = "http.server:test"
    with pytest.raises(ConfigError, match="network that code of its own builds"):
        take_in(put(tmp_path, altered(content, built)), RunStore(tmp_path / "other"))


def test_nor_is_its_code_run_where_it_came_in_before(tmp_path, monkeypatch):
    store = RunStore(tmp_path / "runs")
    run = make_run(store, "import", builder="somewhere:network", file="theirs.pt")
    change_manifest(run.path, foreign={"bundle": "0", "opened": "now"})
    asked = []
    monkeypatch.setattr("importlib.import_module", asked.append)
    with pytest.raises(RunError, match="such code is not run here"):
        load_trained(run.id, store)
    assert not asked
