"""A student's way from Start to the evidence and back, by clicks alone, with one model."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.server import Server
from tests.browser.watch import at_rest

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(600)]
# The pages, and the link at the end of each that leads to the next.
WAY = (("/", "Paint your own trigger"), ("/attacks", "Can the backdoor be removed?"),
       ("/race", "Did the model get flatter?"),
       ("/spectrum", "What does the loss look like around it?"),
       ("/landscape", "What happens inside it when it sees the trigger?"),
       ("/inside", "Would another layer have done better?"),
       ("/layers", "Does it hold for other attacks and defenses?"),
       ("/leaderboard", "Which part of the method does it?"))


PICTURES = "[...document.images].every(picture => picture.complete)"


def ended(page: Page, path: str) -> None:
    """Wait until the page at `path` is there to its end, with its pictures: those of a page that is
    left earlier are no longer served."""
    page.wait_for_url(lambda url: urlsplit(url).path == path)
    expect(page.get_by_role("link", name=dict(WAY)[path]).last).to_be_visible()
    page.wait_for_function(PICTURES)


def test_one_model_from_start_to_the_evidence_and_back(filled: Server, page: Page):
    bar, heading = page.locator(".st-key-model_bar"), page.locator("h1")
    model = bar.locator("input")
    page.goto(filled.url)
    page.get_by_role("radio", name="Blend").click()
    expect(bar).to_contain_text("ASR 99.0 %")
    at_rest(page)  # the switch is the new model's
    page.get_by_role("switch").press("Space")
    page.wait_for_url("**trigger=off**")
    begun, stops = model.input_value(), []
    for path, link in WAY:
        ended(page, path)
        expect(model).to_have_value(begun)
        stops.append((page.url, heading.inner_text()))
        if path != "/leaderboard":
            page.get_by_role("link", name=link).last.click()
    page.get_by_test_id("stTopNavSection").filter(has_text="Learn").click()
    page.get_by_test_id("stTopNavDropdownLink").filter(has_text="Spectrum").click()
    ended(page, "/spectrum")
    expect(model).to_have_value(begun)  # the menu leads to the same model
    for address, said in reversed(stops):
        page.go_back()
        page.wait_for_url(address)
        expect(heading).to_have_text(said)
        ended(page, urlsplit(address).path)
        expect(model).to_have_value(begun)
