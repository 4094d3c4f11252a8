"""What a manifest says, and what a broken one is answered."""

import json
import os
import re
import socket

import pytest

from ngf_core.config import PurifyConfig, TrainConfig, config_sha, to_json
from ngf_core.errors import RunError
from ngf_core.purify import ANP, NGF
from ngf_core.runs import Run
from ngf_core.runs.manifest import SHA, change_manifest, read_manifest, write_manifest
from tests.support.fabricated_runs import make_run


def rewrite(run: Run, **entries: object) -> None:
    write_manifest(run.path, json.loads((run.path / "manifest.json").read_text()) | entries)


def test_a_new_manifest_holds_what_was_asked(store):
    config = TrainConfig(attack="blend", seed=7)
    manifest = store.create(config).manifest
    assert manifest["config"] == to_json(config)
    assert manifest["config_sha"] == config_sha(config)
    assert (manifest["state"], manifest["source"], manifest["results"]) == ("queued", None, {})
    assert set(manifest["versions"]) == {"python", "torch", "numpy", "ngf_core"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", manifest["created"])


def test_no_path_and_no_machine_in_a_manifest(store):
    run = make_run(store, "train")
    text = (run.path / "manifest.json").read_text()
    assert str(store.root) not in text and os.getcwd() not in text
    assert socket.gethostname() not in text


@pytest.mark.parametrize(("content", "says"), [
    (None, "is missing"),
    ("", r"is not JSON \(line 1\)"),
    ('{"schema": 1,\n "id"', r"is not JSON \(line 2\)"),
    ("[1, 2]", "has schema None, this version reads 1 and 2"),
    ('{"schema": 0}', "has schema 0, this version reads 1 and 2"),
    ('{"schema": 1}', "has no usable entry 'id'"),
    ('{"schema": NaN}', "is not JSON of a run"),
    ('{"schema": 2, "results": {"x": 1e999}}', "is not JSON of a run"),
    ('{"schema": 2, "x": -Infinity}', "is not JSON of a run"),
])
def test_an_unreadable_manifest(store, content, says):
    run = store.create(TrainConfig())
    path = run.path / "manifest.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(RunError, match=f"manifest.json of run {run.id} {says}.*Delete the run's "
                                       "folder or restore the file"):
        store.get(run.id)
    assert run.state == "corrupt"


def test_a_manifest_of_schema_1_is_read_as_one_of_today_and_written_so(store):
    """The file is left alone until something in it changes."""
    run = store.create(PurifyConfig(source=make_run(store, "train").id, methods=(
        NGF(layer="linear", kl_bound=2.0, decay=0.0), ANP(eps=0.3, ascents=2))))
    today = run.manifest
    old = {"kind": "purify", "source": run.config.source, "methods": ["ngf", "anp"],
           "layer": "linear", "kl_bound": 2.0, "lr": 0.01,
           "parameters": "anp.eps=0.3,anp.ascents=2"}
    rewrite(run, schema=1, config=old, config_sha="an old one")
    before = (run.path / "manifest.json").read_bytes()
    assert run.manifest == today and today["schema"] == 2
    assert (run.path / "manifest.json").read_bytes() == before
    change_manifest(run.path, message="hello")
    written = json.loads((run.path / "manifest.json").read_text())
    assert written.pop(SHA) and written == today | {"message": "hello"}


def test_schema_2_does_not_read_what_only_schema_1_had(store):
    run = make_run(store, "purify")
    rewrite(run, config={"kind": "purify", "source": "a", "methods": ["ngf"]})
    with pytest.raises(RunError, match="config this version cannot use .methods"):
        store.get(run.id)


@pytest.mark.parametrize(("entries", "says"), [
    ({"config": {"kind": "train", "colour": "red"}}, "config this version cannot use .colour"),
    ({"config": {"kind": "train", "epochs": -1}}, "config this version cannot use .epochs"),
    ({"config": {"kind": "dance"}}, "config this version cannot use .kind"),
    ({"schema": 1, "config": {"kind": "purify", "methods": ["ngf"], "parameters": "ngf.rate"}},
     "config this version cannot use .parameters: 'ngf.rate' does not name"),
    ({"schema": 1, "config": {"kind": "purify", "methods": [3], "parameters": 4}}, "cannot use"),
    ({"pid": "x", "state": "running"}, "no usable entry 'pid'"),
    ({"results": {"train": {"acc": {"hits": "a", "n": 3}}}}, "a rate that is not hits of n images"),
    ({"results": {"train": {"acc": {"hits": 4, "n": 3}}}}, "a rate that is not hits of n images"),
    ({"state": "asleep"}, "unknown state 'asleep'"),
    ({"results": None}, "no usable entry 'results'"),
    ({"engine": 1.5}, "no usable entry 'engine'"), ({"engine": True}, "no usable entry 'engine'"),
    ({"id": "another"}, "belongs to another run"),
])
def test_a_manifest_with_a_bad_entry(store, entries, says):
    run = store.create(TrainConfig())
    rewrite(run, **entries)
    with pytest.raises(RunError, match=says):
        store.get(run.id)
    with pytest.raises(RunError, match=says):
        _ = run.config
    assert run.message.startswith("manifest.json of run")


def test_binary_rubbish_is_a_corrupt_manifest(store):
    run = store.create(TrainConfig())
    (run.path / "manifest.json").write_bytes(b"\xff\xfe\x00")
    assert run.state == "corrupt"


def test_a_flipped_bit_is_found(store):
    """In every seventh byte, in turn: the entries are right, or the file is named."""
    run = make_run(store, "train")
    path, right = run.path / "manifest.json", run.manifest
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        changed = bytes([content[place] ^ 1 << place % 8])
        path.write_bytes(content[:place] + changed + content[place + 1:])
        found = run.manifest
        if found["state"] == "corrupt":
            assert found["message"].startswith(f"manifest.json of run {run.id} ")
        else:
            assert {name: found[name] for name in right} == right, place


def test_one_that_was_edited_is_told_how_it_may_stay(store):
    run = make_run(store, "train")
    path = run.path / "manifest.json"
    edited = json.loads(path.read_text()) | {"message": "mine"}
    path.write_text(json.dumps(edited))
    with pytest.raises(RunError, match="does not match its own checksum: it is damaged, or was "
                                       "edited .then take its entry manifest_sha out"):
        store.get(run.id)
    del edited[SHA]
    path.write_text(json.dumps(edited))
    assert store.get(run.id).message == "mine"


def test_a_change_keeps_the_other_entries(store):
    run = store.create(TrainConfig())
    before = read_manifest(run.path)
    change_manifest(run.path, device="cpu")
    assert read_manifest(run.path) == before | {"device": "cpu"}
    assert not list(run.path.glob(".manifest.json.*"))
