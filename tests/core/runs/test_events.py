"""The event log: half lines, offsets, numbers that are not finite."""

import math
import resource

import pytest

from ngf_core.config import TrainConfig
from ngf_core.runs import DiskFull, RunWriter
from ngf_core.runs.events import append_event, curves, read_events


def test_reading_goes_on_from_where_it_stopped(tmp_path):
    append_event(tmp_path, "note", done=1)
    first, offset = read_events(tmp_path)
    append_event(tmp_path, "note", done=2)
    second, end = read_events(tmp_path, offset)
    assert [e["done"] for e in first + second] == [1, 2]
    assert read_events(tmp_path, end) == ([], end)


def test_half_a_line_waits_for_its_rest(tmp_path):
    append_event(tmp_path, "note", done=1)
    path = tmp_path / "events.jsonl"
    whole = path.stat().st_size
    with open(path, "ab") as file:
        file.write(b'{"type": "note", "text": "\xc3')
    events, offset = read_events(tmp_path)
    assert ([e["done"] for e in events], offset) == ([1], whole)
    with open(path, "ab") as file:
        file.write(b'\xa4"}\n')
    assert read_events(tmp_path, offset)[0] == [{"type": "note", "text": "ä"}]


def test_rubbish_between_events_is_passed_over(tmp_path):
    append_event(tmp_path, "note", done=1)
    with open(tmp_path / "events.jsonl", "ab") as file:
        file.write(b'{"type": "no\n\xff\n[1]\n{"no": "type"}\n\n')
    append_event(tmp_path, "note", done=2)
    assert [e["done"] for e in read_events(tmp_path)[0]] == [1, 2]


def test_what_is_read_by_its_type_is_whole_or_passed_over(tmp_path):
    append_event(tmp_path, "progress", done=1, total=2, text="on")
    for kind, entries in (("progress", {"done": 2, "total": 2}), ("point", {"method": "ngf"})):
        append_event(tmp_path, kind, **entries)
    with open(tmp_path / "events.jsonl", "ab") as file:
        file.write(b'{"type": []}\n' + b"[" * 100_000 + b"\n")
    assert [event["done"] for event in read_events(tmp_path)[0]] == [1]


def test_no_file_means_no_events(tmp_path):
    assert read_events(tmp_path) == ([], 0)
    assert list(curves([]).columns) == ["method", "step", "seconds", "metric", "value", "n"]


def test_values_that_are_not_finite_become_nan(store):
    run = store.create(TrainConfig())
    RunWriter(run).point("ngf", 3, 0.5, {"acc": 0.9, "loss": math.inf, "kl": math.nan},
                         {"acc": 50})
    table = run.points().set_index("metric")
    assert table["value"]["acc"] == 0.9 and table["n"]["acc"] == 50
    assert table["value"][["loss", "kl"]].isna().all() and table["n"][["loss", "kl"]].isna().all()


def test_a_full_disk_leaves_the_earlier_events(tmp_path, monkeypatch):
    append_event(tmp_path, "note", done=1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "events.jsonl").symlink_to("/dev/full")
    with pytest.raises(DiskFull, match="The disk is full: events.jsonl could not be written. Free"):
        append_event(tmp_path / "full", "note", done=2)
    assert [e["done"] for e in read_events(tmp_path)[0]] == [1]


def test_an_event_cut_short_is_taken_back(tmp_path):
    append_event(tmp_path, "note", done=1)
    path = tmp_path / "events.jsonl"
    size, limits = path.stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            append_event(tmp_path, "note", done=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.stat().st_size == size
    append_event(tmp_path, "note", done=3)
    assert [e["done"] for e in read_events(tmp_path)[0]] == [1, 3]
