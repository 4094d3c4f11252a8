"""A student's way from Start to the evidence and back, by clicks alone, with one model."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.server import Server
from tests.browser.watch import at_rest

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(600)]
# The links clicked, and the page that each leads to.
WAY = (("Paint your own trigger", "/attacks"), ("Can the backdoor be removed?", "/race"),
       ("Did the model get flatter?", "/spectrum"),
       ("What does the loss look like around it?", "/landscape"),
       ("What happens inside it when it sees the trigger?", "/inside"),
       ("Would another layer have done better?", "/layers"),
       ("Does it hold for other attacks and defenses?", "/leaderboard"))


def model(page: Page) -> str:
    at_rest(page)
    bar = page.locator(".st-key-model_bar")
    return bar.locator("input").input_value() or bar.inner_text()


def test_one_model_from_start_to_the_evidence_and_back(filled: Server, page: Page):
    page.goto(filled.url)
    at_rest(page)
    page.get_by_role("radio", name="Blend").click()
    expect(page.locator(".st-key-model_bar")).to_contain_text("ASR 99.0 %")
    page.get_by_role("switch").press("Space")
    begun = model(page)
    assert "Blend" in begun
    addresses = [page.url]
    for link, path in WAY:
        page.get_by_role("link", name=link).last.click()
        page.wait_for_url(lambda url, path=path: urlsplit(url).path == path)
        assert model(page) == begun, f"{path} shows another model"
        addresses.append(page.url)
    page.get_by_test_id("stTopNavSection").filter(has_text="Learn").click()
    page.get_by_test_id("stTopNavDropdownLink").filter(has_text="Spectrum").click()
    page.wait_for_url(lambda url: urlsplit(url).path == "/spectrum")
    assert model(page) == begun, "the menu leads to the same model"
    for address in reversed(addresses):
        page.go_back()
        page.wait_for_url(address)  # the page as it was left
        assert model(page) == begun
