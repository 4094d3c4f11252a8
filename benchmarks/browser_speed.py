"""How soon a browser shows the first screen, another page and another step, beside a bare page.

    python -m benchmarks.browser_speed            # about 3 minutes on two cores
    python -m benchmarks.browser_speed --busy     # with a process that computes on every core

Measured in headless Chromium on a real server, in ROUNDS rounds, each with the dashboard and with a
Streamlit page of a title and a slider alone, in turn, each in a browser that has no cache:

- first picture: from the request to an image with its trigger that answers to a press (the
  dashboard), to the title and the slider (the bare page);
- page change: from a press in the menu to the title of the other page; the bare one has two pages;
- slider step: from the press of an arrow key to the text of the step. The dashboard's first screen
  asks nothing of its server; the bare page draws itself anew.

Writes benchmarks/results/browser_speed.json and .md (or browser_speed_busy): medians, the slowest,
and the ratio of the medians.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.environment import environment
from tests.browser.server import serving
from tests.support.waiting import until

RESULTS = Path(__file__).parent / "results"
ROUNDS, PATIENCE = 5, 120_000
BARE = '''import streamlit as st


def one():
    st.title("One")
    st.markdown(f"Step {st.slider('Step', 0, 10)}")


def two():
    st.title("Two")


st.navigation([st.Page(one, title="One"), st.Page(two, title="Two")], position="top").run()
'''
WHAT = {"picture": "first picture", "page": "page change", "step": "slider step"}


def of_the_dashboard(page: Page, url: str) -> dict[str, float]:
    """Seconds of each action on the dashboard."""
    began = time.perf_counter()
    page.goto(f"{url}/?step=0")
    page.get_by_role("switch").press("Space")
    page.get_by_text("Without the trigger the received model says").wait_for()
    found = {"picture": time.perf_counter() - began}
    page.locator("input.step").focus()
    began = time.perf_counter()
    page.keyboard.press("ArrowRight")
    page.get_by_text("Step 10 of 100").wait_for()
    found["step"] = time.perf_counter() - began
    page.get_by_text("Learn", exact=True).click()
    link = page.get_by_test_id("stTopNavDropdownLink").get_by_text("Attacks", exact=True)
    link.wait_for()
    began = time.perf_counter()
    link.click()
    page.get_by_role("heading", name="Attacks", exact=True).wait_for()
    found["page"] = time.perf_counter() - began
    return found


def of_the_bare_page(page: Page, url: str) -> dict[str, float]:
    """Seconds of each action on a page of a title and a slider."""
    began = time.perf_counter()
    page.goto(url)
    page.get_by_role("heading", name="One").wait_for()
    page.get_by_test_id("stSlider").wait_for()
    found = {"picture": time.perf_counter() - began}
    page.get_by_test_id("stSlider").locator("input").focus()
    began = time.perf_counter()
    page.keyboard.press("ArrowRight")
    page.get_by_text("Step 1", exact=True).wait_for()
    found["step"] = time.perf_counter() - began
    link = page.locator("a").filter(has_text="Two")
    began = time.perf_counter()
    link.click()
    page.get_by_role("heading", name="Two", exact=True).wait_for()
    found["page"] = time.perf_counter() - began
    return found


@contextmanager
def bare(folder: Path) -> Iterator[str]:
    """The address of a server of the bare page."""
    (folder / "bare.py").write_text(BARE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "streamlit", "run", str(folder / "bare.py"),
                                "--server.headless", "true", "--server.port", str(port),
                                "--server.address", "127.0.0.1",
                                "--browser.gatherUsageStats", "false"],
                               cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return urllib.request.urlopen(f"{url}/_stcore/health", timeout=1).status == 200
        except OSError:
            return False
    try:
        until(answers, seconds=60)
        yield url
    finally:
        process.terminate()
        process.wait()


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many processes that compute without a pause."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
               for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def measured(browser: Browser, dashboard: str, other: str) -> list[dict[str, Any]]:
    """One row per round, page and action."""
    rows = []
    for number in range(1 + ROUNDS):
        for name, act, url in (("dashboard", of_the_dashboard, dashboard),
                               ("bare", of_the_bare_page, other)):
            context = browser.new_context(viewport={"width": 1440, "height": 900},
                                          reduced_motion="reduce")
            context.set_default_timeout(PATIENCE)
            found = act(context.new_page(), url)
            context.close()
            if number:  # the first visit of a server imports what it needs
                rows += [{"round": number, "page": name, "what": what, "seconds": round(taken, 4)}
                         for what, taken in found.items()]
    return rows


def markdown(rows: list[dict[str, Any]]) -> str:
    """One line per action: median and slowest, of both, and the ratio of the medians."""
    lines = ["| action | dashboard, s: median (slowest) | bare page, s | ratio |",
             "|---|---|---|---|"]
    for what, title in WHAT.items():
        taken = {name: [row["seconds"] for row in rows
                        if (row["page"], row["what"]) == (name, what)]
                 for name in ("dashboard", "bare")}
        cells = [f"{statistics.median(times):.2f} ({max(times):.2f})" for times in taken.values()]
        ratio = statistics.median(taken["dashboard"]) / statistics.median(taken["bare"])
        lines.append(f"| {title} | {' | '.join(cells)} | {ratio:.2f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", action="store_true", help="beside a process on every core")
    given = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("There is no Chromium on the PATH. Install one: apt-get install chromium")
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server, \
            bare(Path(folder)) as other, sync_playwright() as playwright, \
            busy(cores if given.busy else 0):
        browser = playwright.chromium.launch(executable_path=chromium)
        rows = measured(browser, server.url, other)
        browser.close()
    name = "browser_speed_busy" if given.busy else "browser_speed"
    (RESULTS / f"{name}.json").write_text(json.dumps(
        {"rounds": ROUNDS, "busy": given.busy, "environment": environment(), "rows": rows},
        indent=1) + "\n")
    (RESULTS / f"{name}.md").write_text(markdown(rows))
    print(markdown(rows))


if __name__ == "__main__":
    main()
