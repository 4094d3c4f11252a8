"""A page whose timers were lost finds out by itself that its run has ended."""

import pytest
from playwright.sync_api import expect

from ngf_core.runs import RunWriter
from tests.browser.watch import at_rest
from tests.support.fabricated_runs import make_run

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]

NO_TIMERS = """() => {
  for (let timer = 1; timer < 20000; timer++)
    if (timer !== window.ngfJobWatch) clearInterval(timer);
}"""


def test_a_page_that_is_no_longer_asked_is_drawn_again(server, page):
    run = make_run(server.store, "purify", state="running")
    page.goto(f"{server.url}/race?run={run.id}")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    at_rest(page)
    page.evaluate(NO_TIMERS)
    RunWriter(run).fail("The loss is no longer finite at step 40.")
    expect(page.get_by_text("The loss is no longer finite")).to_be_visible()
    at_rest(page)
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
