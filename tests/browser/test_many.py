"""A stranger, a visitor of a public show, a shared queue and cleaning up in Chromium."""

import json
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from ngf_core.runs import Run, RunStore
from ngf_core.runs.manifest import change_manifest
from ngf_core.runs.process import start_time
from ngf_core.runs.server_settings import READONLY
from tests.browser.server import serving
from tests.browser.watch import at_rest, shot
from tests.support.fabricated_runs import make_run

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("jobs")]


def test_a_show_behind_a_token(new_page, tmp_path: Path):
    with serving(tmp_path, "/ngf", NGF_TOKEN="sesame", NGF_READONLY="1") as server:
        page = new_page(width=390, scheme="dark")
        page.goto(f"{server.url}/race?source=signs-badnets-s0-train")
        word = page.get_by_role("textbox")
        word.fill("Open")
        page.get_by_role("button", name="Enter").click()
        expect(page.get_by_text("That is not the word")).to_be_visible()
        expect(page.get_by_role("heading", name="Race", exact=True)).to_have_count(0)
        expect(page.get_by_test_id("stExpandSidebarButton")).to_have_count(0)
        word.fill("sesame")
        page.get_by_role("button", name="Enter").click()
        expect(page.get_by_role("heading", name="Race", exact=True)).to_be_visible()
        at_rest(page)
        expect(page.get_by_text(READONLY).first).to_be_visible()
        expect(page.get_by_role("button", name="Start race")).to_be_disabled()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.close()  # before its server: a page complains of one that is gone
        assert not server.traces()


def test_going_on_waiting_and_stopping(new_page, tmp_path: Path):
    with serving(tmp_path) as server:
        first, second = (lost(server.store, seed) for seed in (1, 2))
        page = new_page(width=390, scheme="dark")
        # The second is lost on this page while the first computes, so that it has to wait.
        page.goto(f"{server.url}/configure?run={second.id}")
        going_on = page.get_by_role("button", name="Go on")
        expect(going_on).to_be_enabled()
        with at_work(first):
            going_on.click()
            expect(page.get_by_text("It waits because the limit here is 1")).to_be_visible()
            expect(page.get_by_test_id("stEChartsChart")).to_have_count(0)
            page.get_by_role("button", name="Cancel", exact=True).click()
            expect(page.get_by_text("This train run was cancelled")).to_be_visible()
            assert (first.state, second.state) == ("running", "cancelled")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.close()
        assert not server.traces()


def lost(store: RunStore, seed: int) -> Run:
    """A long training whose worker died before its first epoch."""
    run = make_run(store, "train", state="queued", seed=seed, epochs=200)
    change_manifest(run.path, state="running", pid=2**22 + 1, pid_started=1.0)
    return run


@contextmanager
def at_work(run: Run) -> Iterator[None]:
    """The run has a worker, which only sleeps: a real one would take a core from all tests."""
    with subprocess.Popen(["sleep", "600"]) as worker:
        change_manifest(run.path, pid=worker.pid, pid_started=start_time(worker.pid))
        try:
            assert run.state == "running"
            yield
        finally:
            worker.kill()


def test_cleaning_up(new_page, tmp_path: Path):
    with serving(tmp_path) as server:
        runs = [make_run(server.store, "train", seed=seed) for seed in (1, 2, 3)]
        page = new_page(width=390, scheme="dark", touch=True)
        page.goto(f"{server.url}/runs")
        at_rest(page)
        page.get_by_text("Clean up", exact=True).tap()
        own = page.locator("[class*=st-key-own_]")
        expect(own).to_be_visible()
        at_rest(page)
        tick(own, 1)
        expect(page.get_by_text("1 chosen")).to_be_visible()
        button(page, "Keep").tap()
        expect(button(page, "Let go")).to_be_enabled()
        (kept,) = [run for run in runs if run.kept]
        expect(button(page, "Delete")).to_be_disabled()
        tick(own, 2)
        expect(page.get_by_text("2 chosen")).to_be_visible()
        at_rest(page)
        shot(page, "clean-up")
        with page.expect_download() as download:
            button(page, "Take along as a zip").tap()
        with zipfile.ZipFile(download.value.path()) as archive:
            assert archive.testzip() is None
            taken = {name.split("/")[0] for name in archive.namelist()}
            assert kept.id in taken and len(taken) == 2
            for run_id in taken:
                run = server.store.get(run_id)
                told = json.loads(archive.read(f"{run_id}/manifest.json"))
                assert told["config"] == run.manifest["config"]
                for name in told["files"]:
                    assert archive.read(f"{run_id}/{name}") == (run.path / name).read_bytes()
        button(page, "Let go").tap()
        expect(button(page, "Delete")).to_be_enabled()
        assert not kept.kept
        button(page, "Delete").tap()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text(kept.id)).to_be_visible()
        at_rest(page)
        shot(page, "clean-up-delete")
        dialog.get_by_role("button", name="Delete").tap()
        expect(dialog).to_have_count(0)
        expect(page.get_by_text("0 chosen")).to_be_visible()
        (left,) = [run for run in runs if run.path.exists()]
        assert left.id not in taken
        expect(button(page, "Delete")).to_be_disabled()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.close()
        assert not server.traces()


def button(page: Page, name: str) -> Locator:
    """The visible button of that name on the page itself."""
    return page.get_by_test_id("stMain").get_by_role("button", name=name, exact=True)


def tick(table: Locator, row: int) -> None:
    """Tap the box before a row, which is drawn and no element: rows are 35 pixels high."""
    table.locator(".dvn-scroller").tap(position={"x": 17, "y": 35 * row + 17})
