"""The fault campaign in small: a few cases of each part, and that each part can find a fault."""

import time
from random import Random

import pytest

from ngf_core.runs.manifest import change_manifest
from tests.campaigns import faults, worker_kills
from tests.campaigns.counts import Counts
from tests.campaigns.damage import Damage, damaged, searched, wrong
from tests.campaigns.full_disk import fill_disks
from tests.campaigns.readings import TRACE, Answer, everything
from tests.campaigns.report import write
from tests.campaigns.server_kills import kill_servers
from tests.campaigns.watched import Seen, damaged_files, lost_events
from tests.support.fabricated_runs import make_run


def far() -> float:
    return time.monotonic() + 600


def test_killed_workers(tmp_path):
    counts = worker_kills.kill_workers(tmp_path, 3, Random(0), far(), ("spectrum",),
                                       by_command_every=0)
    assert counts.findings == [] and counts.done["kills of spectrum runs"] == 3
    assert counts.done["read as lost"] == counts.done["started again and done"] + 2 == 3
    assert counts.done["pages opened"] == 2


def test_killed_servers(tmp_path):
    counts = kill_servers(tmp_path, 1, Random(0), far())
    assert counts.findings == []
    assert counts.done["kills of a server"] == counts.done["runs that went on and are done"] == 1
    assert counts.done["pages drawn by a server"] == 4


def test_full_disks(tmp_path):
    counts = fill_disks(tmp_path, ("train",), (0.0, 0.3))
    if counts.not_run:
        pytest.skip(counts.not_run)
    assert counts.findings == [] and counts.done["runs started with too little space"] == 2
    assert counts.done["refused at once, with a sentence"] == counts.done["read as failed"] == 1


@pytest.mark.parametrize("kind", ["train", "landscape", "layers", "import"])
def test_damaged_files(store, kind):
    run = make_run(store, kind)
    done, read, findings = searched(run, Random(0), flips=1)
    assert done > 15 and read > 90 and findings == []


def test_data_that_changed_unseen_are_found(store):
    """Here the checksums are taken out, so that nothing but the campaign can notice."""
    run = make_run(store, "landscape")
    change_manifest(run.path, files={})
    events = run.path / "events.jsonl"
    before, content = everything(run), events.read_bytes()
    with damaged(events, Damage("a digit", content.replace(b'"done": 1', b'"done": 7', 1))):
        assert [reading for reading, _ in wrong(events.name, before, everything(run))] == [
            "Run.events"]
    assert everything(run) == before
    trace = {"Run.events": Answer(TRACE, "KeyError: 'events.jsonl'")}
    assert list(wrong(events.name, before, trace)) == [("Run.events", trace["Run.events"])]


def test_a_lost_step_and_a_damaged_file_are_found(store):
    run = make_run(store, "train", state="lost")
    seen = Seen()
    seen.look(run)
    assert lost_events(run, seen) == 0 and damaged_files(run, seen) == []
    counts = Counts("")
    worker_kills.judge(run, seen, counts)
    assert counts.findings == [] and counts.done["acknowledged steps checked"] > 10
    lines = (run.path / "events.jsonl").read_bytes().splitlines(keepends=True)
    (run.path / "events.jsonl").write_bytes(b"".join(lines[:-2]))
    (run.path / "samples.npz").write_bytes(b"PK")
    worker_kills.judge(run, seen, counts)
    assert counts.faults["acknowledged steps lost"] == 3  # two events, one file
    change_manifest(run.path, state="failed", message="")
    worker_kills.judge(run, seen, counts)
    assert counts.faults["runs unreadable without explanation"] == 1


def test_the_report_keeps_the_other_parts(tmp_path):
    first, second = Counts("Disk full", not_run="not run, because"), Counts("Workers killed")
    second.done["kills"] += 3
    second.found("orphan processes", 2, "1, 2")
    for part in (first, second, second):
        write(part, 4.2, 7, "make faults", tmp_path)
    page = (tmp_path / "faults.md").read_text()
    assert "| orphan processes | not run | 2 |" in page and "| kills | 3 |" in page
    assert "- orphan processes: 1, 2" in page and "; 4 s)\n\n    make faults" in page
    write(second, 4.2, 8, "make faults again", tmp_path, add=True)
    page = (tmp_path / "faults.md").read_text()
    assert "| orphan processes | not run | 4 |" in page and "| kills | 6 |" in page
    assert "(seed 7, 8; commit " in page
    assert "; 8 s)\n\n    make faults\n    make faults again" in page
    with pytest.raises(ValueError, match="'bad luck' is not counted. Choose from: acknowledged"):
        second.found("bad luck", 1, "")


def test_a_part_that_does_not_exist_is_refused(capsys):
    with pytest.raises(SystemExit):
        faults.main(["flood"])
    assert "there is no part flood. Choose from: damage, disk" in capsys.readouterr().err


def test_the_command_ends_with_1_where_something_was_lost(tmp_path, monkeypatch, capsys):
    bad = Counts("Workers killed")
    bad.found("acknowledged steps lost", 1, "one")
    monkeypatch.setitem(faults.PARTS, "workers", lambda folder, asked, end: bad)
    assert faults.main(["workers", "--out", str(tmp_path)]) == 1
    assert "'acknowledged steps lost': 1" in capsys.readouterr().out
    monkeypatch.setitem(faults.PARTS, "workers", lambda folder, asked, end: Counts("none"))
    assert faults.main(["workers", "--out", str(tmp_path)]) == 0
