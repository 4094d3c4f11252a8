"""Saved pictures: everything that is drawn, and what it was drawn from, read by other programs."""

import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from app.figures.origin import of_run
from ngf_core.attacks.drawing import to_text
from tests.browser.server import Server
from tests.browser.watch import at_rest, pressed
from tests.support.fabricated_runs import make_run

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(600)]
SVG = "{http://www.w3.org/2000/svg}"


def saved(page: Page, figure: str, kind: str) -> bytes:
    box = page.locator(f".st-key-{figure}_table_box")
    if not box.get_by_role("button", name=f"Save {kind}").is_visible():
        box.locator("summary").click()
        # The table comes later and moves what is below it, also from under a press.
        expect(box.get_by_test_id("stDataFrame").locator("canvas").first).to_be_visible()
        at_rest(page)

    def press(patience: int) -> bytes:
        with page.expect_download(timeout=patience) as download:
            box.get_by_role("button", name=f"Save {kind}").click()
        return download.value.path().read_bytes()

    return pressed(press)


@pytest.mark.parametrize(("address", "kind", "figure", "charts"), [
    ("spectrum", "spectrum", "spectrum_stems", 1),
    ("landscape?plane=random", "landscape", "landscape_contours", 2),  # several panels, one file
    ("race", "purify", "race_rates", 0)])                              # ECharts: a canvas
def test_a_picture_carries_what_it_was_drawn_from(filled: Server, page: Page, address, kind, figure,
                                                  charts):
    page.goto(f"{filled.url}/{address}")
    at_rest(page)
    vector = ElementTree.fromstring(saved(page, figure, "SVG"))
    lines = vector.find(f"{SVG}metadata").text.splitlines()
    run = filled.store.get(lines[0].removeprefix("Run: "))
    assert run.kind == kind and lines == of_run(run).lines()
    foot = " ".join(line.text for line in vector.findall(f"{SVG}text"))
    assert foot == " ".join(lines)
    assert len(vector.findall(f"{SVG}svg")) >= charts
    assert not [part for part in vector.iter() if part.get("class") == "scrollbox"
                and part.get("clip-path")], "names in a legend are not cut off"
    image = Image.open(io.BytesIO(saved(page, figure, "PNG")))
    assert [f"{name}: {text}" for name, text in image.text.items()] == lines
    assert abs(image.width - 2 * float(vector.get("width"))) <= 1
    drawn = np.asarray(image.convert("L"))[:-40 * len(lines)]
    assert np.ptp(drawn) > 100, "the figure itself is in the picture"


def test_a_long_word_is_not_cut_off(server: Server, page: Page):
    noise = np.zeros((32, 32, 4), np.uint8)
    noise[np.random.default_rng(0).random((32, 32)) < 0.5] = 255
    run = make_run(server.store, "train", attack="painted", parameters=f"picture={to_text(noise)}")
    page.goto(f"{server.url}/runs?run={run.id}")
    at_rest(page)
    vector = ElementTree.fromstring(saved(page, "train_curve", "SVG"))
    rows = [line.text for line in vector.findall(f"{SVG}text")]
    assert "".join(rows).replace(" ", "") == "".join(of_run(run).lines()).replace(" ", "")
    assert max(map(len, rows)) < 200 < len(run.config.parameters)
