"""A click into a figure in Chromium: everything on the page is at that step, and the address."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.server import Server
from tests.browser.watch import at_rest

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(600)]

LEFT, TOP, BOTTOM = 58, 64, 48  # of the plot within the chart


def into_the_curves(page: Page, key: str, share: float) -> None:
    """Click in the middle of a chart of curves, about `share` of the way along its axis."""
    chart = page.locator(f".st-key-{key} canvas").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.click(box["x"] + LEFT + share * (box["width"] - LEFT),
                     box["y"] + TOP + (box["height"] - TOP - BOTTOM) / 2)


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_a_click_into_the_curves_moves_the_race(filled: Server, new_page, width, scheme):
    page = new_page(width, scheme)
    page.goto(f"{filled.url}/runs?run=signs-badnets-s0-race")
    page.locator(".st-key-run_links").get_by_role("link", name="Race", exact=True).click()
    page.wait_for_url("**/race?run=signs-badnets-s0-race")
    at_rest(page)
    tiles = page.locator(".st-key-race_tiles")
    end = tiles.inner_text()
    into_the_curves(page, "race_rates", 0.03)
    expect(page).to_have_url(re.compile(r"[?&]step=\d+"))
    at_rest(page)
    step = re.search(r"step=(\d+)", page.url)[1]
    expect(page.get_by_text(f"at step {step}")).to_be_visible()
    expect(page.locator(".st-key-race_rates").get_by_role("img")).to_have_attribute(
        "aria-label", re.compile(f"at step {step}"))
    assert tiles.inner_text() != end
    page.go_back()  # to the page before, not to each step
    expect(page).to_have_url(re.compile("/runs"))
    expect(page.locator("h1")).to_have_text("Runs")


# Where the second largest eigenvalue of NGF is drawn, within the figure.
MARK = """figure => {
  const at = figure.data.findIndex(trace => trace.customdata && trace.name === 'NGF');
  const {xaxis, yaxis} = figure._fullLayout, {x, y} = figure.calcdata[at][1];
  return {x: xaxis._offset + xaxis.d2p(x), y: yaxis._offset + yaxis.d2p(y)};
}"""


def test_a_click_on_an_eigenvalue_shows_its_slice(filled: Server, page: Page):
    run = next(run for run in filled.store.list("spectrum") if not run.shipped)
    page.goto(f"{filled.url}/spectrum?run={run.id}")
    at_rest(page)
    stems = page.locator(".st-key-spectrum_stems .js-plotly-plot")
    stems.hover(position=stems.evaluate(MARK))  # Plotly clicks on what it has hovered
    expect(stems.locator(".hoverlayer .hovertext")).to_be_visible()
    stems.click(position=stems.evaluate(MARK))
    expect(page).to_have_url(re.compile("slice=ngf.2"))
    at_rest(page)
    expect(page.get_by_text("the loss measured along the eigenvector of λ = 82.6")).to_be_visible()


# What is drawn in a chart below its legend.
PLOT = """chart => {
  const canvas = chart.querySelector('canvas'), {width, height} = canvas;
  return canvas.getContext('2d').getImageData(0, height / 4, width, 3 * height / 4).data.join();
}"""


def test_the_mouse_at_a_line_lights_up_its_method_in_every_chart(filled: Server, page: Page):
    page.goto(f"{filled.url}/race?run=signs-badnets-s0-race&show=ASR&show=Loss")
    at_rest(page)
    rates, loss = (page.locator(f".st-key-{key} [data-testid=stEChartsChart]")
                   for key in ("race_rates", "race_loss"))
    plain = loss.evaluate(PLOT)
    by_legend = set()
    for x in (20, 100):  # the signs of NGF and of SGD
        loss.hover(position={"x": x, "y": 14})
        page.wait_for_function(f"([chart, plain]) => ({PLOT})(chart) !== plain",
                               arg=[loss.element_handle(), plain])
        by_legend.add(loss.evaluate(PLOT))
    page.mouse.move(0, 0)
    rates.scroll_into_view_if_needed()
    box, seen = rates.bounding_box(), set()
    for y in range(TOP, round(box["height"]) - BOTTOM, 8):
        page.mouse.move(box["x"] + LEFT + (box["width"] - LEFT) / 4, box["y"] + y)
        page.wait_for_timeout(50)
        seen.add(loss.evaluate(PLOT))
    assert len(by_legend) == 2 and by_legend < seen
    page.mouse.move(0, 0)
    page.wait_for_function(f"([chart, plain]) => ({PLOT})(chart) === plain",
                           arg=[loss.element_handle(), plain])
