"""Every page opens in a real browser: wide and light, narrow and dark, with a wrong link."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from app.views.claim import PARTS
from tests.browser.server import ROOT
from tests.browser.watch import at_rest, shot

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("pages"), pytest.mark.timeout(600)]

PAGES = sorted(path.stem for path in (ROOT / "app" / "views").glob("[a-z]*.py"))
CHARTS = "[data-testid=stPlotlyChart], [data-testid=stEChartsChart]"
BRIGHTNESS = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  return Math.max(...getComputedStyle(app).backgroundColor.match(/[0-9]+/g).slice(0, 3));
}"""


# Words of figures that lie on each other or leave their figure, and legends with a scroll bar. The
# boxes of slanting words overlap where the words do not, so these are not compared.
UNREADABLE = """() => [...document.querySelectorAll('.js-plotly-plot')].flatMap(plot => {
  const edge = plot.getBoundingClientRect();
  const words = [...plot.querySelectorAll('svg text')].map(node => {
    const {a, b} = node.getCTM(), {left, right, top, bottom} = node.getBoundingClientRect();
    return {text: node.textContent.trim(), left, right, top, bottom, slanting: a * b !== 0};
  }).filter(({text, left, right}) => text && right > left);
  const shared = (one, other, low, high) =>
    Math.min(one[high], other[high]) - Math.max(one[low], other[low]);
  const apart = (one, other) => shared(one, other, 'left', 'right') < 1
    || shared(one, other, 'top', 'bottom') < 2;
  const inside = word => word.left >= edge.left - 1 && word.right <= edge.right + 1
    && word.top >= edge.top - 1 && word.bottom <= edge.bottom + 1;
  const found = words.filter(word => !inside(word)).map(({text}) => `${text} is cut off`);
  words.forEach((one, i) => words.slice(i + 1).forEach(other => {
    if (!(one.slanting || other.slanting || apart(one, other)))
      found.push(`${one.text} lies on ${other.text}`);
  }));
  const bar = plot.querySelector('.legend .scrollbar')?.getBoundingClientRect();
  return bar?.height > 0 ? [...found, 'the legend scrolls'] : found;
})"""


def address(name: str) -> str:
    """The path of a page; Start is the door."""
    return "/" if name == "start" else f"/{name}"


def accessible(page: Page) -> None:
    """Fail where axe-core finds anything worse than minor, but for the menu of a narrow window,
    whose list is Streamlit's own."""
    rest = {"exclude": [["[data-testid=stSidebarNavItems]"]]}
    # To tell every node that passed takes four times as long as to look.
    judged = Axe().run(page, rest, {"resultTypes": ["violations"]}).response
    assert judged["passes"]
    found = [f"{one['impact']} {one['id']}: {node['html'][:200]}"
             for one in judged["violations"] if one["impact"] != "minor" for node in one["nodes"]]
    assert not found, "\n".join(found)


def test_pale_letters_are_found(page):
    page.set_content("<html lang=en><title>t</title><main><h1>Read this</h1>"
                     "<p style='color: #ddd; background: #fff'>and this</p></main>")
    with pytest.raises(AssertionError, match="serious color-contrast: <p"):
        accessible(page)


def test_the_pages_are_found():
    assert {"start", "attacks", "configure", "race", "landscape", "spectrum", "layers", "runs",
            "leaderboard", "ablation", "claim", "compare", "inside", "sweep"} <= set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_and_follows_the_window_and_the_mode(filled, page, name):
    page.goto(filled.url + address(name))
    for width, scheme in ((1440, "light"), (390, "dark")):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        at_rest(page)
        page.wait_for_function(f"({BRIGHTNESS})() {'> 200' if scheme == 'light' else '< 60'}")
        at_rest(page)
        _looks_right(page, name, width)
        shot(page, f"{name}-{width}-{scheme}")


def _looks_right(page: Page, name: str, width: int) -> None:
    if name in ("race", "landscape", "spectrum", "inside", "layers", "sweep"):
        expect(page.locator(CHARTS).first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(UNREADABLE) == []
    accessible(page)


def test_the_parts_of_the_sharpness_claim_are_readable_on_a_phone(filled, new_page):
    page = new_page(390, touch=True)
    page.goto(f"{filled.url}/claim")
    first, *parts = PARTS.items()
    assert first[0] == "readings" and len(parts) >= 4
    for part, title in parts:
        page.get_by_role("radio", name=title, exact=True).tap()
        page.wait_for_url(f"**part={part}*")
        at_rest(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, part
        assert page.evaluate(UNREADABLE) == [], part
        accessible(page)


def test_no_toolbar_stands_on_a_figure_where_nothing_can_hover(filled, new_page):
    page = new_page(390, touch=True)
    page.goto(f"{filled.url}/spectrum")
    at_rest(page)
    for bar in page.locator(".modebar-container").all():
        expect(bar).to_be_hidden()


def test_a_run_that_is_not_here_gets_a_card(filled, page):
    page.goto(f"{filled.url}/spectrum?run=20200101-000000-nowhere")
    card = page.get_by_test_id("stAlert").filter(has_text="20200101-000000-nowhere")
    expect(card.first).to_be_visible()
    at_rest(page)


def test_a_run_to_compare_that_is_not_here_gets_a_card(filled, page):
    page.goto(f"{filled.url}/compare?runs=20200101-000000-nowhere")
    card = page.get_by_test_id("stAlert").filter(has_text="20200101-000000-nowhere")
    expect(card.first).to_be_visible()
    at_rest(page)


def test_ticked_runs_are_compared_and_back_leads_to_them(filled, page):
    made = "signs-badnets-s0-race,signs-blend-s0-race"
    page.goto(f"{filled.url}/runs?runs={made}")
    at_rest(page)
    page.get_by_role("link", name="Compare 2 runs").click()
    expect(page.get_by_role("heading", name="What differs")).to_be_visible()
    expect(page.get_by_role("figure", name="Line charts").first).to_be_visible()
    at_rest(page)
    page.go_back()
    expect(page.get_by_role("link", name="Compare 2 runs")).to_be_visible()
    at_rest(page)


def test_every_column_and_row_of_a_sweep_has_its_name(filled, page):
    page.goto(f"{filled.url}/sweep")
    models = ["benign, seed 0", "1", *(word for attack in ("BadNets", "Blend", "WaNet")
                                       for word in (f"{attack}, seed 0", "1"))]
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function("""([least, most]) => {
          const drawn = document.querySelector('.js-plotly-plot .main-svg')?.getAttribute('width');
          return least < drawn && drawn <= most;
        }""", arg=[width // 2, width])
        at_rest(page)
        told = page.locator(".js-plotly-plot .xtick text, .js-plotly-plot .ytick text")
        assert told.all_text_contents() == ["model", "NGF", "SGD", "Fine-tuning", "ANP", *models]


def test_a_click_on_a_cell_of_a_sweep_shows_it(filled, page):
    page.goto(f"{filled.url}/sweep")
    at_rest(page)
    grid = page.locator(".js-plotly-plot .nsewdrag").first
    box = grid.bounding_box()
    at = {"x": 2.2 * box["width"] / 5, "y": 4.5 * box["height"] / 8}  # SGD, Blend, seed 0
    grid.hover(position=at)
    expect(page.locator(".hoverlayer").first).to_contain_text("Blend, seed 0, SGD")
    grid.click(position=at)
    for name in ("Blend", "SGD"):
        expect(page.locator(".st-key-sweep_cell").get_by_role("radio", name=name)).to_be_checked()
