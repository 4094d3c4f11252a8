"""The lesson by keyboard alone, on every width, and as a lecture hall sees it."""

import re
import shutil

import pytest
from playwright.sync_api import Page, expect

from app.read.lesson.scene import folder, scenes
from tests.browser.server import serving
from tests.browser.test_pages import accessible
from tests.browser.watch import at_rest, pressed, shot

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(600)]

TITLES = [scene.title for scene in scenes()]
# Letters under 24 pixels, in what a hall sees: text with a box, in the page and in its components.
SMALL = """() => {
  const found = [];
  const look = root => {
    for (const node of root.querySelectorAll('*')) {
      if (node.shadowRoot) look(node.shadowRoot);
      const words = [...node.childNodes].filter(part => part.nodeType === 3 && part.data.trim());
      const box = node.getBoundingClientRect();
      if (!words.length || !box.width || !box.height) continue;
      if (node.closest('style, script, noscript') || box.bottom <= 0 || box.right <= 0) continue;
      if (getComputedStyle(node).visibility === 'hidden') continue;
      const size = parseFloat(getComputedStyle(node).fontSize);
      if (size < 24) found.push(`${words[0].data.trim().slice(0, 40)}: ${size}`);
    }
  };
  look(document.body);
  return found;
}"""

# Nothing of a hall's scene is out of sight.
FITS = """height => {
  const main = document.querySelector('[data-testid=stMain]');
  return main.scrollHeight === main.clientHeight && main.getBoundingClientRect().bottom === height;
}"""


def on(page: Page, title: str) -> None:
    """Wait for a scene, and for its keys."""
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    page.wait_for_selector("html.lesson", state="attached")
    at_rest(page)


@pytest.mark.parametrize(("width", "scheme"), [(1440, "dark"), (390, "light")])
def test_all_scenes_by_keyboard_alone(shipped, new_page, width, scheme):
    page = new_page(width, scheme)
    page.emulate_media(reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 1080 if width == 1920 else 900})
    page.goto(f"{shipped.url}/lesson")
    for number, title in enumerate(TITLES, start=1):
        on(page, title)
        page.keyboard.press("2")
        expect(page.locator(".st-key-lesson_guess input:checked")).to_have_count(1)
        page.keyboard.press("ArrowRight")
        expect(page.get_by_test_id("stAlert").first).to_be_visible()
        at_rest(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        accessible(page)
        shot(page, f"lesson-{number}-{width}-{scheme}")
        if number < len(TITLES):
            page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".st-key-lesson_guess")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_the_exercises_are_readable(shipped, new_page, width, scheme):
    page = new_page(width, scheme)
    page.goto(f"{shipped.url}/lesson?part=exercises")
    expect(page.get_by_text("0 of 10 solved")).to_be_visible()
    at_rest(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    accessible(page)
    shot(page, f"lesson-exercises-{width}-{scheme}")


def test_a_phone_reads_an_answer_from_its_question_and_all_else_from_its_top(shipped, new_page):
    """The button that turns the page stands below the picture, screens away from both."""
    page = new_page(390, "dark")
    page.goto(f"{shipped.url}/lesson?scene=poison")
    on(page, "Make the trigger, poison the set")
    page.get_by_role("button", name="Show me").click()
    expect(page.locator(".st-key-lesson_turned_out")).to_be_in_viewport()
    at_rest(page)
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Why accuracy does not reveal it")
    expect(page.get_by_role("heading", level=1)).to_be_in_viewport()
    at_rest(page)
    page.get_by_text("All scenes").click()

    def to_exercises(patience: int) -> None:
        page.get_by_role("button", name="Exercises").click(timeout=patience)
        page.wait_for_function("document.querySelector('h1')?.innerText === 'Exercises'",
                               timeout=patience)

    pressed(to_exercises)
    expect(page.get_by_role("heading", level=1)).to_be_in_viewport()


def test_a_scene_that_a_teacher_adds_appears(new_page, tmp_path):
    mine = tmp_path / "lesson"
    shutil.copytree(folder(), mine)
    text = (mine / "01_backdoor.md").read_text(encoding="utf-8")
    with serving(tmp_path, NGF_LESSON=str(mine)) as server:
        page = new_page()
        page.goto(f"{server.url}/lesson?scene=doubt&shown=yes")
        on(page, TITLES[-1])
        (mine / "11_mine.md").write_text(text.replace("What a backdoor is", "A scene of mine"),
                                         encoding="utf-8")
        page.reload()
        on(page, TITLES[-1])
        page.keyboard.press("ArrowRight")
        on(page, "A scene of mine")
        page.keyboard.press("3")
        page.keyboard.press("ArrowRight")
        expect(page.get_by_test_id("stAlert").first).to_be_visible()
        at_rest(page)
        page.context.close()  # before its server ends


def test_a_hall_s_keys_work_after_a_click_twice_at_once_and_from_the_notes(shipped, new_page):
    hall = new_page(1920)
    hall.goto(f"{shipped.url}/lesson?present=1")
    on(hall, TITLES[0])
    held = hall.get_by_role("switch", name="Hold the class")
    hall.keyboard.press("p")
    expect(held).to_be_checked()
    hall.get_by_text("Hold the class").click()
    expect(held).not_to_be_checked()
    at_rest(hall)  # else Streamlit may take the first press for a part of what it draws
    for _ in range(4):
        hall.keyboard.press("ArrowRight")
    on(hall, TITLES[2])
    hall.keyboard.press("q")
    expect(hall.get_by_role("img", name="QR code")).to_be_visible()
    hall.keyboard.press("q")
    expect(hall.get_by_role("img", name="QR code")).to_have_count(0)
    with hall.context.expect_page() as opened:
        hall.keyboard.press("n")
    notes = opened.value
    expect(notes.get_by_role("heading", level=1)).to_have_text(f"Notes: {TITLES[2]}")
    notes.wait_for_selector("html.lesson-notes", state="attached")  # its keys are there then
    hall.evaluate("window.channelOfTheTest = window.ngfChannel")
    notes.keyboard.press("ArrowRight")
    notes.keyboard.press("ArrowRight")
    on(hall, TITLES[3])
    assert hall.evaluate("window.channelOfTheTest === window.ngfChannel")  # one hears every key
    expect(notes.get_by_role("heading", level=1)).to_have_text(f"Notes: {TITLES[3]}")
    notes.keyboard.press("b")
    expect(hall.locator(".lesson-black")).to_be_visible()
    black = re.compile("hall-black")
    expect(notes.locator("html")).to_have_class(black)
    notes.reload()  # the notes that open now ask
    expect(notes.locator("html")).to_have_class(black)
    hall.locator(".lesson-black").click()
    expect(notes.locator("html")).not_to_have_class(black)
    for there in (1, 0):
        hall.keyboard.press("b")
        expect(hall.locator(".lesson-black")).to_have_count(there)


def test_a_press_that_is_lost_is_repeated_and_no_other(shipped, new_page):
    hall = new_page(1920)
    hall.goto(f"{shipped.url}/lesson?present=1")
    on(hall, TITLES[0])
    hall.evaluate("""() => {
      window.presses = 0;
      document.addEventListener('click', event => {
        if (!event.target.closest('.st-key-lesson_next')) return;
        if (++window.presses === 1) event.stopImmediatePropagation();
      }, {capture: true});
    }""")
    for _ in range(2):
        hall.keyboard.press("ArrowRight")
    on(hall, TITLES[1])
    hall.wait_for_timeout(2500)  # longer than a press is waited for
    assert hall.evaluate("window.presses") == 3
    on(hall, TITLES[1])


def test_what_is_pressed_without_a_connection_is_not_played_when_it_is_back(shipped, new_page):
    hall = new_page(1920)
    hall.goto(f"{shipped.url}/lesson?present=1")
    on(hall, TITLES[0])
    hall.context.set_offline(True)
    for _ in range(4):
        hall.keyboard.press("ArrowRight")
    hall.context.set_offline(False)
    hall.wait_for_selector("[data-test-connection-state=CONNECTED]", state="attached")
    at_rest(hall)
    hall.keyboard.press("ArrowRight")
    expect(hall.get_by_test_id("stAlert").first).to_be_visible()
    at_rest(hall)
    on(hall, TITLES[0])


def test_a_class_is_taken_along_and_its_votes_are_seen(new_page, tmp_path):
    with serving(tmp_path, NGF_SHARED="1") as server:
        hall, pupil = new_page(1920), new_page(390, touch=True)
        hall.goto(f"{server.url}/lesson?present=1")
        on(hall, TITLES[0])
        hall.wait_for_url("**class=*")
        hall.keyboard.press("q")
        expect(hall.get_by_role("img", name="QR code")).to_be_visible()
        hall.keyboard.press("Escape")
        pupil.goto(f"{server.url}/lesson?class={hall.url.partition('class=')[2][:5]}")
        on(pupil, TITLES[0])
        pupil.locator(".st-key-lesson_guess label").nth(3).tap()
        expect(hall.get_by_text("1 answered")).to_be_visible()
        hall.keyboard.press("PageDown")
        expect(hall.get_by_text("of 1: ").first).to_be_visible()
        at_rest(pupil)
        expect(pupil.get_by_test_id("stAlert").first).to_be_visible()
        hall.keyboard.press("PageDown")
        on(pupil, TITLES[1])
        for page in (hall, pupil):  # before their server ends
            page.context.close()


def test_a_hall_reads_every_letter_and_sees_all_of_a_scene_with_its_votes(new_page, tmp_path):
    with serving(tmp_path, NGF_SHARED="1") as server:
        hall, pupil = new_page(1920), new_page(1440)
        hall.set_viewport_size({"width": 1920, "height": 1080})
        hall.goto(f"{server.url}/lesson?present=1")
        on(hall, TITLES[0])
        hall.wait_for_url("**class=*")
        pupil.goto(f"{server.url}/lesson?class={hall.url.partition('class=')[2][:5]}")
        for number, title in enumerate(TITLES, start=1):
            on(pupil, title)
            pupil.keyboard.press("2")
            expect(hall.get_by_text("1 answered")).to_be_visible()
            for answered in (False, True):
                if answered:
                    hall.keyboard.press("PageDown")
                    expect(hall.get_by_text("1 of 1: ")).to_be_visible()
                at_rest(hall)
                assert hall.evaluate(SMALL) == [], title
                assert hall.get_by_test_id("stMain").evaluate(
                    "node => node.scrollHeight - node.clientHeight") == 0, title
                expect(hall.get_by_test_id("stHeader")).to_be_hidden()
            if number == 1:
                sign = hall.get_by_role("img", name="with the trigger")
                assert sign.bounding_box()["width"] >= 400
            shot(hall, f"lesson-hall-{number}")
            hall.keyboard.press("PageDown")
        for page in (hall, pupil):  # before their server ends
            page.context.close()


@pytest.mark.parametrize(("scene", "title"), [("race", "The race"), ("doubt", TITLES[-1])])
def test_a_hall_s_scene_fits_every_screen(shipped, page, scene, title):
    page.goto(f"{shipped.url}/lesson?present=1&scene={scene}&shown=yes")
    for width, height in (1280, 720), (1024, 768), (3840, 2160):
        page.set_viewport_size({"width": width, "height": height})
        on(page, title)
        page.wait_for_function(FITS, arg=height)
        home = page.get_by_test_id("stAlert").bounding_box()
        bar = page.locator(".st-key-lesson_bar").bounding_box()
        assert home["y"] + home["height"] <= bar["y"] + 1
        assert page.evaluate(FITS, height), "it stays so"


def test_the_valley_by_keyboard(shipped, page):
    page.goto(f"{shipped.url}/lesson?scene=gradient&shown=yes")
    at_rest(page)
    valley = page.get_by_role("application")
    expect(page.get_by_text("Natural gradient: loss")).to_be_visible()
    before = page.locator(".ends").inner_text()
    valley.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".ends")).not_to_have_text(before)
    on(page, "Gradient and natural gradient, by hand")
