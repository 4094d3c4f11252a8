"""A reviewer's way, with real runs: an audit made on the page, compare, a bundle out and into
another store, a link to someone else."""

import xml.etree.ElementTree as ElementTree

import pytest
from playwright.sync_api import Page, expect

from ngf_core.cli.main import main
from ngf_core.config import TrainConfig
from ngf_core.runs import Run, RunStore
from tests.browser.server import Server, serving
from tests.browser.test_save_picture import SVG, saved
from tests.browser.watch import at_rest, filled
from tests.support.tiny_runs import made, purify_config

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("jobs"), pytest.mark.timeout(1200)]
JOB = 600_000


def opened(page: Page, address: str) -> Page:
    page.goto(address)
    at_rest(page)
    return page


def races(store: RunStore) -> list[Run]:
    """Two purifications, of other seeds, of one model that was hardly trained."""
    source = made(TrainConfig(dataset="digits", arch="mini_preact_resnet", limit=20, epochs=1),
                  store)
    return [made(purify_config(source, seed=seed), store) for seed in (0, 1)]


def picture(page: Page, figure: str) -> tuple[str, list[str]]:
    """What is below the figure, and the shapes that it consists of."""
    drawn = ElementTree.fromstring(saved(page, figure, "SVG"))
    return (drawn.find(f"{SVG}metadata").text,
            [path.get("d") for path in drawn.iter(f"{SVG}path") if path.get("d")])


def test_audit_compare_bundle_out_and_in_and_a_link(server: Server, page: Page, new_page, tmp_path,
                                                    monkeypatch):
    first, second = races(server.store)
    opened(page, f"{server.url}/audit?run={first.id}")
    for label, value in (("Images", 10), ("Sets of other images", 0)):
        filled(page, label, value)
    page.get_by_role("button", name="Compute the audit").click()
    expect(page.get_by_text("No verdict")).to_be_visible(timeout=JOB)
    at_rest(page)
    audit = next(run for run in server.store.list("audit") if not run.shipped)
    assert (audit.state, audit.config.source, audit.config.samples) == ("done", first.id, 10)
    expect(page.get_by_role("code").get_by_text(
        f"python -m ngf_core audit {first.id} --samples 10 --further 0")).to_be_visible()
    page.get_by_role("link", name="How does it compare with other runs?").click()
    page.wait_for_url("**/compare**")
    at_rest(page)
    opened(page, f"{server.url}/runs?runs={first.id},{second.id}")
    page.get_by_role("link", name="Compare 2 runs").click()
    expect(page.get_by_role("heading", name="What differs")).to_be_visible()
    at_rest(page)
    seen, link = picture(page, "compare_curves"), page.url
    assert seen[1] and first.id in seen[0] and second.id in seen[0]
    assert picture(opened(new_page(), link), "compare_curves") == seen, "a link shows the same"

    opened(page, f"{server.url}/runs?run={first.id}")
    page.get_by_role("button", name="Bundle").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the bundle").first.click()
    bundle = tmp_path / "bundle.zip"
    download.value.save_as(bundle)
    curves = picture(page, "run_curves")
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setenv("NGF_RUNS", str(elsewhere / "runs"))
    assert main(["bundle", "open", str(bundle)]) == 0
    with serving(elsewhere) as other:
        there = opened(new_page(), f"{other.url}/runs?run={first.id}")
        assert picture(there, "run_curves") == curves
        there.close()
