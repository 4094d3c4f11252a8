"""What a bundle holds: its sums, its runs, the same bytes each time, and nobody's key."""

import csv
import io
import json
import subprocess
import zipfile

import pytest

from ngf_core.bundle.contents import bundle, contents
from ngf_core.errors import RunError
from ngf_core.runs import RunStore
from ngf_core.runs.lineage import with_sources
from ngf_core.runs.manifest import change_manifest
from tests.support.fabricated_runs import make_run


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return RunStore(tmp_path_factory.mktemp("bundled"))


@pytest.fixture(scope="module")
def spectrum(store):
    return make_run(store, "spectrum")


def test_the_sums_are_those_of_another_program(store, spectrum, tmp_path):
    with zipfile.ZipFile(io.BytesIO(bundle([spectrum], store))) as archive:
        archive.extractall(tmp_path)
        names = archive.namelist()
    done = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path,
                          capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count(": OK") == len(names) - 1
    assert {"bundle.json", "report.html", "reproduce.sh", "requirements.lock"} <= set(names)


def test_it_holds_what_a_run_stands_on_after_its_sources(store, spectrum):
    race = store.get(spectrum.config.source)
    train = store.get(race.config.source)
    assert with_sources([spectrum, train], store) == [train, race, spectrum]
    about = json.loads(contents([spectrum], store)["bundle.json"])
    assert about["asked"] == [spectrum.id]
    assert about["runs"] == [train.id, race.id, spectrum.id]


def test_an_audit_stands_on_both_runs(store):
    races = [make_run(store, "purify", source=make_run(store, "train", seed=seed).id)
             for seed in (5, 6)]
    audit = make_run(store, "audit", source=races[0].id, against=races[1].id)
    assert set(with_sources([audit], store)) > set(races)


def test_a_run_without_its_source_is_refused(store):
    train = make_run(store, "train", seed=7)
    race = make_run(store, "purify", source=train.id)
    train.delete()
    with pytest.raises(RunError, match=f"There is no run {train.id} here"):
        contents([race], store)


@pytest.mark.parametrize(("state", "says"), [
    ("running", "is running. Wait until it ends"), ("failed", "holds finished runs")])
def test_an_unfinished_run_is_refused(store, state, says):
    with pytest.raises(RunError, match=says):
        contents([make_run(store, "train", state=state, seed=8)], store)


def test_the_same_runs_give_the_same_bytes(store, spectrum):
    first = bundle([spectrum], store)
    assert first == bundle([spectrum], store)
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        names = archive.namelist()
        assert names == sorted(names)
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_weights_come_on_demand(store, spectrum):
    def weights(names):
        return {name.rpartition("/")[2] for name in names
                if name.endswith(".safetensors") or "/path_" in name}

    assert not weights(contents([spectrum], store))
    assert weights(contents([spectrum], store, weights=True)) == {
        "model.safetensors", "before.safetensors", "after_ngf.safetensors",
        "after_sgd.safetensors", "path_ngf.npz", "path_sgd.npz"}


def test_who_asked_for_a_run_stays_here(tmp_path):
    store = RunStore(tmp_path)
    run = make_run(store, "train")
    change_manifest(run.path, askers=["key-of-a-browser"])
    files = contents([run], store)
    assert not [name for name, content in files.items() if b"key-of-a-browser" in content]


def test_a_figures_table_has_the_numbers_of_the_events(store, spectrum):
    race = store.get(spectrum.config.source)
    told = {(event["method"], event["step"]): event["metrics"]["asr"]
            for line in (race.path / "events.jsonl").read_text().splitlines()
            if (event := json.loads(line))["type"] == "point"}
    table = contents([race], store)[f"figures/{race.id}-asr.csv"].decode()
    rows = {(row["method"], int(row["step"])): float(row["value"])
            for row in csv.DictReader(io.StringIO(table))}
    assert rows == pytest.approx(told) and len(rows) == 42
