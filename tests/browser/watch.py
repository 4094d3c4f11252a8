"""What a test sees of a page: complaints, whether it is at rest, whether its live chart stays."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, TimeoutError, expect

T = TypeVar("T")

LOCAL = ("localhost", "127.0.0.1")
# Streamlit looks for its server below the page's own path first; both answers are documented 404s.
PROBES = ("/_stcore/health", "/_stcore/host-config")

# A card with a stack trace may go with the next rerun, so the page itself watches for it.
NO_TRACE = """
setInterval(() => {
  const text = document.body?.textContent ?? '';
  const found = document.querySelector('[data-testid=stException]') ? 'an exception'
    : ['Traceback', 'could not be drawn'].find(words => text.includes(words));
  if (found && found !== window.complainedOf) {
    window.complainedOf = found;
    console.error(`The page shows "${found}": ${text.slice(0, 2000)}`);
  }
}, 200)
"""

AT_REST = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  return app?.dataset.testConnectionState === 'CONNECTED'
    && app.dataset.testScriptState === 'notRunning' && document.querySelector('h1')
    && !document.querySelector('[data-testid=stSkeleton], [data-testid=stSpinner]')
    && !document.querySelector('[aria-busy=true]')
    && [...document.querySelectorAll('.js-plotly-plot')].every(plot =>
      plot.querySelector('.trace, .contourlayer > *, .heatmaplayer > *, canvas'))
}"""

FOLLOW = """key => {
  const find = () => {
    const chart = document.querySelector(`.st-key-${key} [data-testid=stEChartsChart]`);
    return [chart, chart?.querySelector('canvas')];
  };
  const [chart, canvas] = find();
  window.told = [chart.ariaLabel];
  const look = () => {
    const [sameChart, sameCanvas] = find();
    if (sameChart !== chart || sameCanvas !== canvas) {
      console.error(`The live chart ${key} was remounted after ${window.told.length} updates`);
      observer.disconnect();
    } else if (chart.ariaLabel !== window.told.at(-1)) window.told.push(chart.ariaLabel);
  };
  const observer = new MutationObserver(look);
  observer.observe(document.body, {subtree: true, childList: true, attributes: true,
                                   attributeFilter: ['aria-label']});
}"""


def watched(context: BrowserContext, complaints: list[str]) -> Page:
    """A page whose outside requests, console errors, uncaught errors and stack traces are added
    to `complaints`."""
    def asked(url: str) -> None:
        where = urlsplit(url)
        if where.scheme in ("http", "https", "ws", "wss") and where.hostname not in LOCAL:
            complaints.append(f"a request left this machine: {url}")

    def said(message: ConsoleMessage) -> None:
        if message.type == "error" and not _is_probe(message):
            complaints.append(f"console: {message.text} ({message.location['url']})")

    context.add_init_script(NO_TRACE)
    page = context.new_page()
    page.on("request", lambda request: asked(request.url))
    page.on("websocket", lambda socket: asked(socket.url))
    page.on("console", said)
    page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
    return page


def _is_probe(message: ConsoleMessage) -> bool:
    path = urlsplit(message.location["url"]).path
    return "404" in message.text and path.endswith(PROBES) and path not in PROBES


def at_rest(page: Page) -> None:
    """Wait until the page's script has ended and its charts are drawn."""
    page.wait_for_function(AT_REST, polling=100)


def filled(page: Page, label: str, value: int) -> None:
    """Type the value into the field of that label, and wait until the page has taken it."""
    field = page.get_by_label(label, exact=True)
    field.fill(str(value))
    field.press("Enter")
    at_rest(page)
    expect(field).to_have_value(str(value))


def pressed(attempt: Callable[[int], T]) -> T:
    """What `attempt(milliseconds)` gives, which presses a button and waits so long for its effect.

    It is pressed again where none comes: a press is lost where the page moves under it, or where
    Streamlit reruns the page at that very moment, as `benchmarks/classroom` counts.
    """
    for patience in (15_000, 30_000):
        with suppress(TimeoutError):
            return attempt(patience)
    return attempt(120_000)


def follow_chart(page: Page, key: str) -> None:
    """From now on a remount of the ECharts chart `key` is a console error."""
    page.evaluate(FOLLOW, key)


def updates(page: Page) -> list[str]:
    """The alt texts that the followed chart had, one for each update."""
    return page.evaluate("window.told")


def shot(page: Page, name: str) -> None:
    """Keep a picture of the whole page in the folder that NGF_SCREENSHOTS names, if it does."""
    if folder := os.environ.get("NGF_SCREENSHOTS"):
        whole(page, Path(folder) / f"{name}.png")


def whole(page: Page, path: Path, most: int = 20_000) -> None:
    """A picture of a page in its full height, or of its first `most` pixels."""
    size = page.viewport_size
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": max(size["height"],
                                                                  min(height, most))})
    page.wait_for_timeout(1500)
    page.screenshot(path=path)
    page.set_viewport_size(size)
