"""What a stranger and a visitor of a public show see in Chromium."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from ngf_core.runs.server_settings import READONLY
from tests.browser.server import serving
from tests.browser.watch import at_rest

pytestmark = pytest.mark.browser


def test_a_show_behind_a_token(new_page, tmp_path: Path):
    with serving(tmp_path, "/ngf", NGF_TOKEN="sesame", NGF_READONLY="1") as server:
        page = new_page(width=390, scheme="dark")
        page.goto(f"{server.url}/race?source=signs-badnets-s0-train")
        word = page.get_by_role("textbox")
        word.fill("Open")
        page.get_by_role("button", name="Enter").click()
        expect(page.get_by_text("That is not the word")).to_be_visible()
        expect(page.get_by_role("heading", name="Race", exact=True)).to_have_count(0)
        word.fill("sesame")
        page.get_by_role("button", name="Enter").click()
        expect(page.get_by_role("heading", name="Race", exact=True)).to_be_visible()
        at_rest(page)
        expect(page.get_by_text(READONLY).first).to_be_visible()
        expect(page.get_by_role("button", name="Start race")).to_be_disabled()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.close()  # before its server: a page complains of one that is gone
        assert not server.traces()
