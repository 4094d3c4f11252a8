"""The main job for real: configure, train, race, reload in the middle, landscape, spectrum."""

import re

import pytest
from playwright.sync_api import Page, expect

from ngf_core.runs import Run, RunStore
from tests.browser.watch import at_rest, filled, follow_chart, shot, updates

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("jobs"), pytest.mark.timeout(1200)]

EPOCHS, STEPS, LOOKS = 1, 4, 2
JOB = 600_000
LANDSCAPE = {"Points per side": 3, "Images": 10}
SPECTRUM = {"Images": 10, "Largest": 1, "Lanczos steps": 5, "Density probes": 3,
            "Most trace probes": 2}


def test_from_a_poisoned_model_to_a_purified_one(server, page):
    trained = _train(page, server.url, server.store)
    race = _race(page, trained, server.store)
    _measure(page, server.url, race, "landscape", LANDSCAPE)
    expect(page.locator(".st-key-landscape_models_figure")).to_be_visible()
    page.get_by_role("radio", name="Random plane", exact=True).click()
    # A contour and a surface for each of three models, and how two of them differ from the first.
    expect(page.get_by_test_id("stPlotlyChart")).to_have_count(8)
    at_rest(page)
    for plane, name in (("Lines", "line"), ("Through the models", "models")):
        page.get_by_role("radio", name=plane, exact=True).click()
        expect(page.locator(f".st-key-landscape_{name}")).to_be_visible()
        at_rest(page)
        shot(page, f"job-landscape-{name}")
    _measure(page, server.url, race, "spectrum", SPECTRUM)
    # Stems, slice, changes, density, Fisher.
    expect(page.get_by_test_id("stPlotlyChart")).to_have_count(5)
    expect(page.get_by_test_id("stMetric")).to_have_count(6)


def _train(page: Page, url: str, store: RunStore) -> Run:
    page.goto(f"{url}/configure?arch=mini_preact_resnet")
    at_rest(page)
    expect(page.get_by_text("training images are poisoned")).to_be_visible()
    page.get_by_role("radio", name="Own", exact=True).click()
    filled(page, "Epochs", EPOCHS)
    shot(page, "job-configure")
    page.get_by_role("button", name="Train this model").click()
    onward = page.get_by_role("button", name="Race NGF against SGD on this model")
    expect(onward).to_be_visible(timeout=JOB)
    at_rest(page)
    shot(page, "job-trained")
    run = _newest(store, "train")
    assert (run.state, run.config.dataset, run.config.attack, run.config.epochs) == (
        "done", "signs", "badnets", EPOCHS)
    assert run.results["poisoned"] > 0
    onward.click()
    return run


def _race(page: Page, trained: Run, store: RunStore) -> Run:
    expect(page.get_by_role("button", name="Start race")).to_be_visible()
    at_rest(page)
    filled(page, "Steps", STEPS)
    shot(page, "job-race-form")
    page.get_by_role("button", name="Start race").click()
    _wait_for_curve(page, 1)
    follow_chart(page, "race_rates")
    page.wait_for_function("looks => window.told.length > looks", arg=LOOKS, timeout=JOB)
    # Paused, so that the reload is in the middle of the race on every machine.
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    shot(page, "job-race-live")
    reached = _step(updates(page)[-1])
    race = _newest(store, "purify")
    assert race.live and race.config.source == trained.id

    page.reload()
    _wait_for_curve(page, reached)
    follow_chart(page, "race_rates")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Restart")).to_be_visible(timeout=JOB)
    at_rest(page)
    assert _step(updates(page)[-1]) == STEPS
    assert len(updates(page)) > LOOKS
    shot(page, "job-race-done")
    assert race.state == "done" and {"before", "ngf", "sgd"} <= set(race.results)
    return race


def _measure(page: Page, url: str, race: Run, kind: str, settings: dict[str, int]) -> None:
    page.goto(f"{url}/{kind}?run={race.id}")
    start = page.get_by_role("button", name=f"Compute the {kind}")
    expect(start).to_be_visible()
    for label, value in settings.items():
        filled(page, label, value)
    start.click()
    expect(page.get_by_test_id("stPlotlyChart").first).to_be_visible(timeout=JOB)
    at_rest(page)
    shot(page, f"job-{kind}")


def _wait_for_curve(page: Page, step: int) -> None:
    """Until the chart of the rates is drawn and NGF is at `step` or beyond."""
    chart = page.locator(".st-key-race_rates").get_by_role("img")
    expect(chart.locator("canvas")).to_be_visible(timeout=JOB)
    page.wait_for_function("""step => Number(document.querySelector('.st-key-race_rates [role=img]')
        ?.ariaLabel.match(/NGF ASR[^;]* at step ([0-9]+)/)?.[1]) >= step""", arg=step, timeout=JOB)


def _step(alt: str) -> int:
    """The step of NGF's newest ASR, read from the chart's alt text."""
    return int(re.search(r"NGF ASR[^;]* at step (\d+)", alt)[1])


def _newest(store: RunStore, kind: str) -> Run:
    return next(run for run in store.list(kind) if not run.shipped)
