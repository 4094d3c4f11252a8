"""Records on disk, the arithmetic over repeats, and when a contest need not be held again."""

from benchmarks.side_by_side.record import Record, is_done, load, save


def made_up(samples: int = 10, repeats: int = 3, contest: str = "sums") -> Record:
    runs = {"peer": [{"cpu": 2.0 + i} for i in range(repeats)],
            "ours": [{"cpu": 1.0} for _ in range(repeats)]}
    return Record(contest, "before", samples, 1, runs, {"value": 3.0}, 1.5, "today", {"git": None})


def test_a_record_survives_the_disk(tmp_path):
    path = tmp_path / "new" / "side_by_side.json"
    records = {r.key: r for r in (made_up(), made_up(contest="others"))}
    save(path, records)
    assert load(path) == records
    assert list(path.parent.iterdir()) == [path]


def test_no_file_no_records(tmp_path):
    assert load(tmp_path / "none.json") == {}


def test_medians_and_ranges_over_the_repeats():
    record = made_up()
    assert record.repeats == 3
    assert record.median("peer", "cpu") == 3.0
    assert record.range("peer", "ours", "cpu") == (2.0, 4.0)


def test_what_was_measured_as_asked_is_not_measured_again():
    assert is_done(made_up(), samples=10, repeats=3)
    assert is_done(made_up(), samples=10, repeats=2)
    assert not is_done(made_up(), samples=10, repeats=4)
    assert not is_done(made_up(), samples=20, repeats=3)
    assert not is_done(None, samples=10, repeats=1)
