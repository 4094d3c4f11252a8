"""The copied store, what counts as a read, and the table."""

from benchmarks.page_reads import SWEEP, fill, manifest_reads, markdown
from ngf_core.runs import RunStore, default_store


def test_copies_stand_on_copies(tmp_path):
    shipped = default_store().list()
    fill(tmp_path, len(shipped) + 60)
    copies = RunStore(tmp_path).list()
    assert len(copies) == 60 and not {run.id for run in copies} & {run.id for run in shipped}
    for run in copies:
        assert run.state != "corrupt" and run.results == default_store().get(
            run.id.rpartition("-copy")[0]).results
        if run.manifest["source"]:
            assert run.config.source == run.manifest["source"] != run.id
            assert run.config.source.endswith(run.id[run.id.rindex("-copy"):])


def test_the_sweep_has_two_thousand_cells():
    assert sum(map(len, SWEEP.stages())) >= 2000


def test_only_reading_a_manifest_counts(tmp_path):
    path = tmp_path / "manifest.json"
    with manifest_reads() as reads:
        path.write_text("{}")
        (tmp_path / "other.json").write_text("{}")
        assert (tmp_path / "other.json").read_text() == path.read_text() == path.read_text()
    path.read_text()
    assert reads == {str(path): 2}


def test_the_table_pairs_before_with_after():
    rows = [{"label": label, "page": "start", "first_reads": reads, "first_most": 9, "reads": reads,
             "most": 9, "seconds": seconds}
            for label, reads, seconds in (("before", 40, 0.9), ("after", 10, 0.3))]
    (line,) = [line for line in markdown(rows).splitlines() if line.startswith("| start ")]
    assert line == "| start | 40 → 10 | 9 → 9 | 40 → 10 | 9 → 9 | 0.9 → 0.3 | 3.0 |"
    assert "| start | 40 → ? |" in markdown(rows[:1])
