"""A run that other versions of Python and packages wrote."""

import pytest

from ngf_core.errors import RunError
from ngf_core.runs.manifest import change_manifest, read_manifest, write_manifest
from tests.campaigns.pages import traces
from tests.campaigns.readings import DATA, everything
from tests.support.fabricated_runs import make_run

OTHERS = {"python": "3.9.1", "torch": "1.4.0", "numpy": "1.17.0", "ngf_core": "0.0.1"}


def test_other_versions_change_no_reading_and_are_shown(store):
    run = make_run(store, "purify")
    before = everything(run, ("results", "config", "files"))
    change_manifest(run.path, versions=OTHERS)
    after = everything(run, ("results", "config", "files"))
    assert after == before and {answer.kind for answer in after.values()} == {DATA}
    assert run.manifest["versions"] == OTHERS
    assert [traces(run, page) for page in ("runs", "race")] == [[], []]


@pytest.mark.parametrize(("entries", "says"), [
    ({"schema": 99}, "has schema 99"),
    ({"config": {"kind": "train", "setting_of_2030": 1}}, "a config this version cannot use"),
    ({"config": {"kind": "dream"}, "kind": "dream"}, "a config this version cannot use"),
])
def test_what_a_later_version_wrote_is_refused_in_a_sentence(store, entries, says):
    run = make_run(store, "train")
    write_manifest(run.path, read_manifest(run.path) | entries)
    with pytest.raises(RunError, match=f"manifest.json of run {run.id} .*{says}"):
        store.get(run.id)
    assert run.state == "corrupt" and traces(run, "runs") == []


def test_an_entry_that_a_later_version_added_is_no_hindrance(store):
    run = make_run(store, "train")
    change_manifest(run.path, entry_of_2030=[1])
    assert store.get(run.id).state == "done"
