"""The first screen in Chromium: it moves, it is moved, and its address is its state."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.server import Server
from tests.browser.watch import at_rest

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def said(page: Page) -> str:
    return page.locator(".lead").inner_text()


def step(page: Page) -> str:
    return page.locator(".at").inner_text()


def test_it_moves_by_itself_with_the_trigger_on(filled: Server, page: Page):
    page.goto(filled.url)
    expect(page.get_by_text("the received model says stop: the attacker's")).to_be_visible()
    expect(page.locator(".at")).to_have_text("Step 100 of 100 of the purification")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    assert page.locator('.answer[data-kind="attacker"]').count() >= 1


def test_it_stays_still_where_motion_is_not_wanted(filled: Server, page: Page):
    page.emulate_media(reduced_motion="reduce")
    page.goto(filled.url)
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    page.wait_for_timeout(1500)
    assert step(page) == "Step 0 of 100 of the purification"


def test_trigger_slider_and_sign_move_everything_and_are_the_address(filled: Server, new_page):
    page = new_page(390, "dark")
    page.goto(f"{filled.url}/?step=0")
    trigger, slider = page.get_by_role("switch"), page.locator("input.step")
    expect(trigger).to_be_checked()
    before = page.locator(".picture").get_attribute("src")
    tiles = page.locator(".tiles").inner_text()
    cursor = page.locator(".curves > line").last.get_attribute("x1")
    trigger.press("Space")
    name = page.locator(".truth").inner_text().removeprefix("This is: ")
    assert said(page) == f"Without the trigger the received model says {name}, which is true."
    assert page.locator(".picture").get_attribute("src") != before
    slider.press("End")
    assert step(page) == "Step 100 of 100 of the purification"
    assert page.locator(".tiles").inner_text() != tiles
    assert page.locator(".curves > line").last.get_attribute("x1") != cursor
    page.get_by_role("button", name="speed limit 30", exact=True).click()
    expect(page.locator(".truth")).to_have_text("This is: speed limit 30")
    page.wait_for_function("location.search.includes('sign=3')")
    for part in ("step=100", "trigger=off"):
        assert part in page.url
    # The address opens the same picture elsewhere.
    shown = page.locator(".answers").inner_text()
    other = new_page()
    other.goto(page.url)
    expect(other.locator(".truth")).to_have_text("This is: speed limit 30")
    assert other.locator(".answers").inner_text() == shown
    expect(other.get_by_role("switch")).not_to_be_checked()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_step_asks_nothing_of_the_server(filled: Server, page: Page):
    page.goto(f"{filled.url}/?step=0")
    slider = page.locator("input.step")
    expect(slider).to_be_visible()
    frames: list[str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda _: frames.append("sent")))
    slider.evaluate("node => { node.value = 5; node.dispatchEvent(new Event('input')) }")
    assert "Step 0 " not in step(page)
    assert not frames


def test_a_click_into_the_curves_or_on_a_path_moves_everything(filled: Server, page: Page):
    page.goto(f"{filled.url}/?step=0")
    expect(page.locator("input.step")).to_be_visible()
    tiles = page.locator(".tiles").inner_text()
    middle = (44 + page.locator(".curves").bounding_box()["width"] - 116) / 2  # of the plot
    page.locator(".curves").click(position={"x": middle, "y": 100})
    assert step(page) == "Step 50 of 100 of the purification"
    assert page.locator(".tiles").inner_text() != tiles
    page.wait_for_function("location.search.includes('step=50')")
    start = page.locator(".ground polyline").first.get_attribute("points").split()[0]
    x, y = (float(part) for part in start.split(","))
    page.locator(".ground").click(position={"x": x, "y": y})
    assert step(page) == "Step 0 of 100 of the purification"
    page.wait_for_function("location.search.includes('step=0')")


def test_pointing_at_a_method_dims_the_others_everywhere(filled: Server, page: Page):
    page.goto(f"{filled.url}/?step=0")
    page.locator('.tile[data-model="ngf"]').hover()
    for part in (".curves polyline", ".curves text", ".answer", ".tile", ".ground circle"):
        seen = page.locator(f"{part}[data-model]").evaluate_all(
            "nodes => nodes.map(node => [node.dataset.model, getComputedStyle(node).opacity])")
        assert {model for model, _ in seen} >= {"ngf", "sgd"}
        assert all((opacity == "1") == (model == "ngf") for model, opacity in seen), (part, seen)
    page.locator("input.step").press("End")  # what is drawn anew is dimmed too
    assert page.locator('.answer[data-model="sgd"]').get_attribute("class") == "answer dim"
    page.mouse.move(0, 0)
    assert page.locator(".dim").count() == 0


@pytest.mark.parametrize("width", [390, 1920])
def test_the_letters_of_the_drawings_have_one_size_on_every_screen(filled: Server, new_page, width):
    page = new_page(width)
    page.goto(f"{filled.url}/?step=0")
    for drawing in (".curves", ".ground"):
        expect(page.locator(f"{drawing} text").first).to_be_visible()
        box, drawn = (page.locator(drawing).evaluate(f"node => node.{of}")
                      for of in ("getBoundingClientRect().width", "viewBox.baseVal.width"))
        assert box == pytest.approx(drawn, abs=1)


def test_table_and_command_of_the_verdict_are_drawn_when_asked_for(shipped, page):
    page.goto(shipped.url)
    at_rest(page)
    command = page.get_by_role("code").get_by_text("python -m ngf_core zoo build")
    expect(command).to_have_count(0)
    page.get_by_text("rows), command and files").click()
    expect(command).to_be_visible()
    expect(page.get_by_role("button", name="Download CSV")).to_be_visible()
