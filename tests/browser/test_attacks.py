"""The Attacks page in a real browser: a slider, the canvas by mouse and by keyboard, an upload."""

from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Locator, Page, expect

from ngf_core.attacks.drawing import from_text
from tests.browser.server import ROOT
from tests.browser.watch import at_rest, pressed, shot

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(600)]

WHITE = [255, 255, 255]
PIXEL = """(canvas, at) => {
  const [red, green, blue] = canvas.getContext('2d').getImageData(...at, 1, 1).data;
  return [red, green, blue];
}"""


@pytest.fixture
def canvas(shipped, page) -> Locator:
    """The canvas of the painter, with the shipped models to answer."""
    page.goto(f"{shipped.url}/attacks")
    at_rest(page)
    found = page.locator(".st-key-painter canvas")
    found.scroll_into_view_if_needed()
    expect(found).to_have_attribute("width", "32")
    return found


def answers(page: Page) -> str:
    """What the models say of the painted picture, and the picture itself."""
    card = page.locator(".st-key-paint_answers")
    return card.inner_text() + card.locator("img").get_attribute("src")


def until_answered(page: Page, before: str) -> str:
    page.wait_for_function("""before => {
        const card = document.querySelector('.st-key-paint_answers');
        return card && card.innerText + card.querySelector('img')?.getAttribute('src') !== before;
    }""", arg=before)
    at_rest(page)
    return answers(page)


def test_a_stroke_is_painted_answered_for_and_undone(canvas, page):
    box, before = canvas.bounding_box(), answers(page)
    side = box["width"] / 32
    page.mouse.move(box["x"] + 4.5 * side, box["y"] + 6.5 * side)
    page.mouse.down()
    page.mouse.move(box["x"] + 20.5 * side, box["y"] + 6.5 * side, steps=3)
    page.mouse.up()
    painted = until_answered(page, before)
    for at in ((4, 6), (12, 6), (20, 7)):
        assert canvas.evaluate(PIXEL, at) == WHITE
    assert canvas.evaluate(PIXEL, (12, 8)) != WHITE
    shot(page, "attacks-painted")
    page.get_by_role("button", name="Undo").click()
    assert until_answered(page, painted) == before
    assert canvas.evaluate(PIXEL, (12, 6)) != WHITE


def test_the_keyboard_paints_in_the_chosen_colour(canvas, page):
    before = answers(page)
    page.get_by_role("button", name="Red", exact=True).click()
    canvas.focus()
    canvas.press("ArrowRight")
    canvas.press(" ")
    painted = until_answered(page, before)
    assert canvas.evaluate(PIXEL, (17, 16)) == [255, 0, 0]
    page.get_by_role("button", name="Clear").click()
    assert until_answered(page, painted) == before


def test_paint_stays_on_another_image(canvas, page):
    before = answers(page)
    canvas.click(position={"x": 5, "y": 5})
    painted = until_answered(page, before)
    page.get_by_test_id("stButtonGroup").get_by_text("no entry", exact=True).click()
    until_answered(page, painted)
    assert canvas.evaluate(PIXEL, (0, 0)) == WHITE and canvas.evaluate(PIXEL, (16, 16)) != WHITE
    page.get_by_role("button", name="Clear").click()
    at_rest(page)
    assert canvas.evaluate(PIXEL, (0, 0)) != WHITE


def test_what_is_painted_is_the_trigger_of_a_run(canvas, page):
    before = answers(page)
    page.get_by_role("button", name="Red", exact=True).click()
    canvas.click(position={"x": 25, "y": 25})
    until_answered(page, before)
    page.get_by_role("button", name="Show it on the images above").click()
    page.wait_for_url("**attack=painted**")
    at_rest(page)
    expect(page.locator(".st-key-quality")).to_contain_text("PSNR")
    expect(canvas).to_have_attribute("width", "32")
    assert canvas.evaluate(PIXEL, (2, 2)) == [255, 0, 0], "the canvas begins with the trigger"
    shown = parse_qs(urlparse(page.url).query)["parameters"]

    def train(patience: int) -> None:
        page.get_by_role("button", name="Train on this trigger").click()
        page.wait_for_url("**/configure?**", timeout=patience)

    pressed(train)
    at_rest(page)
    expect(page.get_by_alt_text("Triggered: 8 sample images")).to_be_visible()
    assert parse_qs(urlparse(page.url).query)["parameters"] == shown
    drawing = from_text(shown[0].removeprefix("picture="))
    assert drawing[2, 2].tolist() == [255, 0, 0, 255] and not drawing[16:, 16:].any()
    expect(page.get_by_role("button", name="Train this model")).to_be_enabled()


def test_a_slider_redraws_and_an_upload_is_answered_for(shipped, page):
    page.goto(f"{shipped.url}/attacks?parameters=alpha%3D0.9")
    at_rest(page)
    tiles = page.locator(".st-key-quality")
    before = tiles.inner_text()
    page.get_by_role("slider").first.press("ArrowLeft")
    page.wait_for_function(
        "before => document.querySelector('.st-key-quality')?.innerText !== before", arg=before)
    at_rest(page)
    assert "parameters=alpha%3D0.85" in page.url
    page.locator(".st-key-upload input[type=file]").set_input_files(ROOT / "assets" / "icon.png")
    expect(page.locator(".st-key-upload_answers")).to_contain_text("Benign:")
    at_rest(page)


def test_back_from_configure_shows_the_trigger_as_it_was(shipped, page):
    page.goto(f"{shipped.url}/attacks?parameters=alpha%3D0.5&poison_rate=0.05")
    at_rest(page)
    before = trigger(page)
    assert before[0]["parameters"] == ["alpha=0.5"] and before[0]["poison_rate"] == ["0.05"]

    def train(patience: int) -> None:
        page.get_by_role("button", name="Train this attack").click()
        page.wait_for_url("**/configure?**", timeout=patience)

    pressed(train)
    at_rest(page)
    page.go_back()
    expect(page.locator(".st-key-quality")).to_be_visible()
    at_rest(page)
    assert trigger(page) == before


def trigger(page: Page) -> tuple[dict, str, str]:
    """What the address, the sliders and the measurement say of the trigger."""
    sliders = page.get_by_test_id("stSlider").all_inner_texts()
    return (parse_qs(urlparse(page.url).query), " ".join(sliders),
            page.locator(".st-key-quality").inner_text())
