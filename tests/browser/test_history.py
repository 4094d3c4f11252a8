"""What app/widgets/controls/history.js makes of Streamlit's ways to change an address."""

import pytest
from playwright.sync_api import Page

from tests.browser.server import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

MENDED = (ROOT / "app" / "widgets" / "controls" / "history.js").read_text(encoding="utf-8")
HERE = "http://localhost/"
# The reader's acts, and the address that Streamlit pushes after them.
CLICK, BACK, LATE = "click", "back", "late"
ACTS = """async acts => {
  for (const act of acts) {
    if (act === 'click') document.body.click();
    else if (act === 'back') {
      const arrived = new Promise(done => addEventListener('popstate', done, {once: true}));
      history.back();
      await arrived;
    } else history.pushState({}, '', act);
  }
}"""
BACKS = """async presses => {
  const seen = [location.pathname + location.search];
  for (let i = 0; i < presses; i++) {
    const arrived = new Promise(done => addEventListener('popstate', done, {once: true}));
    history.back();
    await arrived;
    seen.push(location.pathname + location.search);
  }
  return seen;
}"""


@pytest.fixture
def page(page: Page) -> Page:
    """An empty page at /start whose history is mended."""
    page.route("**/*", lambda route: route.fulfill(
        body=MENDED if route.request.url.endswith(".js") else "<!doctype html><title>.</title>",
        content_type="text/javascript" if route.request.url.endswith(".js") else "text/html"))
    page.goto(f"{HERE}start")
    page.evaluate("import('/history.js').then(module => { module.default(); module.default() })")
    return page


@pytest.mark.parametrize(("acts", "backwards"), [
    ([CLICK, "/race", "/race?run=a"], ["/race?run=a", "/start"]),
    ([CLICK, "/start?run=a", "/race?run=a"], ["/race?run=a", "/start"]),
    ([CLICK, "/start?sign=1", CLICK, "/start?run=a", "/race?run=a"],
     ["/race?run=a", "/start?sign=1"]),
    ([CLICK, "/start?run=a", CLICK, "/race?run=a"], ["/race?run=a", "/start?run=a"]),
    ([CLICK, "/race?run=a", CLICK, "/race?run=b"], ["/race?run=b", "/race?run=a", "/start"]),
    ([CLICK, "/race?run=a", CLICK, "/race?run=a&step=3", CLICK, "/race?run=a&step=5"],
     ["/race?run=a&step=5", "/start"]),
    ([CLICK, "/race?run=a", CLICK, "/race?run=a&step=3", CLICK, "/race?run=b&step=3",
      "/race?run=b"], ["/race?run=b", "/race?run=a&step=3", "/start"]),
    ([CLICK, "/race?run=a", CLICK, "/race?n=9", "/race?run=b&n=9"],
     ["/race?run=b&n=9", "/race?run=a", "/start"]),
    ([CLICK, "/spectrum?run=s", "/spectrum?run=a&spectrum=s"],
     ["/spectrum?run=a&spectrum=s", "/start"]),
    ([CLICK, "/race?run=a&step=3", CLICK, "/race?run=a", "/race?run=a&n=9", "/inside?run=a&n=9"],
     ["/inside?run=a&n=9", "/race?run=a&step=3", "/start"]),
    ([CLICK, "/race", CLICK, "/layers", BACK, BACK, "/race"], ["/start"]),
    ([CLICK, "/race", CLICK, "/layers", BACK, CLICK, "/inside"], ["/inside", "/race", "/start"]),
    ([CLICK, "/attacks?attack=b", "/attacks", "/attacks?run=b"], ["/attacks?run=b", "/start"]),
    ([CLICK, "/attacks?run=a&attack=p", CLICK, "/attacks?attack=p", "/attacks?run=b"],
     ["/attacks?run=b", "/attacks?run=a&attack=p", "/start"]),
    ([CLICK, "/race?run=a", CLICK, "/race?run=b", BACK, "/race?run=c"],
     ["/race?run=c", "/start"]),
], ids=["bare first", "query first", "query first over a query", "a choice, then a page",
        "two choices", "steps of one run", "another run", "by way of none", "settled by itself",
        "query first, twice", "a late answer", "on after Back", "a link made whole",
        "another model", "made whole after Back"])
def test_back_leads_where_the_reader_was(page, acts, backwards):
    page.evaluate(ACTS, acts)
    assert page.evaluate(BACKS, len(backwards) - 1) == backwards
