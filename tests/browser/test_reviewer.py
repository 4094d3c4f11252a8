"""A reviewer's way: audit, compare, a bundle out and into another store, a link to someone else."""

import xml.etree.ElementTree as ElementTree

import pytest
from playwright.sync_api import Page, expect

from ngf_core.cli.main import main
from tests.browser.server import Server, serving
from tests.browser.test_save_picture import SVG, saved
from tests.browser.watch import at_rest
from tests.support.fabricated_runs import make_run

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("jobs"), pytest.mark.timeout(600)]


def opened(page: Page, address: str) -> Page:
    page.goto(address)
    at_rest(page)
    return page


def picture(page: Page, figure: str) -> tuple[str, list[str]]:
    """What is below the figure, and the shapes that it consists of."""
    drawn = ElementTree.fromstring(saved(page, figure, "SVG"))
    return (drawn.find(f"{SVG}metadata").text,
            [path.get("d") for path in drawn.iter(f"{SVG}path") if path.get("d")])


def test_audit_compare_bundle_out_and_in_and_a_link(server: Server, page: Page, new_page, tmp_path,
                                                    monkeypatch):
    source = make_run(server.store, "train").id
    races = [make_run(server.store, "purify", source=source, seed=seed) for seed in (0, 1)]
    make_run(server.store, "audit", source=races[0].id)
    opened(page, f"{server.url}/audit?run={races[0].id}")
    expect(page.get_by_text("No verdict")).to_be_visible()
    page.get_by_role("link", name="How does it compare with other runs?").click()
    page.wait_for_url("**/compare**")
    at_rest(page)
    opened(page, f"{server.url}/runs?runs={races[0].id},{races[1].id}")
    page.get_by_role("link", name="Compare 2 runs").click()
    expect(page.get_by_role("heading", name="What differs")).to_be_visible()
    at_rest(page)
    seen, link = picture(page, "compare_curves"), page.url
    assert seen[1] and all(race.id in seen[0] for race in races)
    assert picture(opened(new_page(), link), "compare_curves") == seen, "a link shows the same"

    opened(page, f"{server.url}/runs?run={races[0].id}")
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
        there = opened(new_page(), f"{other.url}/runs?run={races[0].id}")
        assert picture(there, "run_curves") == curves
        there.close()
