"""No page reads a manifest twice, whichever run it shows, and none again that stayed the same."""

import pytest

from benchmarks.page_reads import PAGES, manifest_reads
from tests.support.fabricated_runs import make_run

MEASURED = ("landscape", "spectrum", "layers")


@pytest.fixture
def busy(runs, started):
    """A run of every kind, states that have no result, and a run that lives."""
    for kind in MEASURED:
        make_run(runs, kind)
    for state in ("queued", "failed", "lost", "corrupt"):
        make_run(runs, "train", state=state)
    return make_run(runs, "purify", state="running")


@pytest.mark.parametrize("page", PAGES)
def test_a_draw_reads_each_manifest_at_most_once(page, busy, open_page):
    with manifest_reads() as reads:
        app = open_page(page)
    assert not app.exception
    # The bundle of the audit that ships is unpacked and checked, once per server.
    ours = {path: times for path, times in reads.items() if "ngf-bundle" not in str(path)}
    assert ours and set(ours.values()) == {1}
    with manifest_reads() as reads:
        app.run()
    assert not reads


@pytest.mark.parametrize("page", ["race", "runs", "configure", *MEASURED])
def test_nor_does_one_that_shows_a_certain_run(page, busy, runs, open_page):
    kind = {"race": "purify", "runs": "purify", "configure": "train"}.get(page, page)
    shown = busy if kind == "purify" else runs.latest(kind)
    with manifest_reads() as reads:
        app = open_page(page, run=shown.id)
    assert not app.exception and not app.error
    assert set(reads.values()) == {1}
