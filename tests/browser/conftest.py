"""A real Chromium on a real server. Without Chromium the tests are skipped, in CI they fail."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from zlib import crc32

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ngf_core.launch.settings import LaunchSettings
from ngf_core.runs.store import BENCHMARK
from ngf_core.sweep.cell_states import DONE, FAILED, MISSING
from ngf_core.sweep.grid import Grid
from tests.browser.server import Server, serving
from tests.browser.watch import watched
from tests.support.fabricated_runs import make_run
from tests.support.fabricated_sweep import fabricated

# The shell has no window's interface, which takes a second of a core per page in the others.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome",
         "google-chrome-stable")
PATIENCE = 120_000
# Software WebGL, for the surfaces: there is no graphics card to count on.
FLAGS = ["--enable-unsafe-swiftshader", "--disable-background-networking",
         "--disable-component-update", "--disable-quic"]
SWEEP = Grid(("badnets", "blend", "wanet"), ("ngf", "sgd", "finetune", "anp"), seeds=(0, 1))


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found:
        return found
    why = ("no Chromium on the PATH (looked for " + ", ".join(NAMES) + "); install one, for "
           "example with: apt-get install chromium-headless-shell")
    if os.environ.get("CI"):
        pytest.fail(f"{why}. In CI the browser tests must run.")
    pytest.skip(why)


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """One Chromium for all tests."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens empty pages: new_page(width=390, scheme="dark"), `touch` for a finger in place of the
    mouse. At the end of the test none of them may have asked anything of another machine, logged an
    error or shown a stack trace."""
    contexts, complaints = [], []

    def make(width: int = 1440, scheme: str = "light", touch: bool = False) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900},
                                      color_scheme=scheme, has_touch=touch, is_mobile=touch)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        return watched(context, complaints)

    yield make
    for context in contexts:
        context.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """A page 1440 pixels wide, in light mode."""
    return new_page()


@pytest.fixture
def server(chromium: str, tmp_path: Path) -> Iterator[Server]:
    """A server without runs of its own."""
    yield from _without_traces(tmp_path)


@pytest.fixture(scope="session")
def shipped(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without runs of its own; tests only look."""
    yield from _without_traces(tmp_path_factory.mktemp("shipped"))


@pytest.fixture(scope="session")
def filled(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a fabricated race, its landscape, spectrum and layer map, and a sweep; tests
    only look."""
    for running in _without_traces(tmp_path_factory.mktemp("filled")):
        race = make_run(running.store, "purify")
        make_run(running.store, "landscape", source=race.id)
        make_run(running.store, "spectrum", source=race.id)
        make_run(running.store, "layers", source=race.config.source)
        fabricated(running.store.root / BENCHMARK, SWEEP, lambda cell: (DONE, FAILED, MISSING)[
            crc32(cell.run_id.encode()) % 3], LaunchSettings(launcher="local"))
        yield running


def _without_traces(folder: Path) -> Iterator[Server]:
    with serving(folder) as running:
        yield running
        traces = running.traces()
    assert not traces, f"the server printed a stack trace:\n{traces}"
