"""The pictures of the README and the documentation, taken by a walk through the shipped runs.

    python -m tests.browser.tour               # about two minutes
    python -m tests.browser.tour --all FOLDER  # every page, three widths, light and dark

Writes assets/screenshot.png (Start at the end of its race), docs/assets/first_screen.webp (the
purification moved through with the trigger on, then the trigger off) and docs/assets/compare.png.
"""

import argparse
import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.server import ROOT, serving
from tests.browser.watch import at_rest, whole

WIDTHS, SCHEMES = (1440, 1920, 390), ("light", "dark")
PAGES = tuple(sorted(path.stem for path in (ROOT / "app" / "views").glob("[a-z]*.py")))
# Milliseconds of a frame, and of those that are to be read.
FRAME, PAUSE = 500, 2000
WIDE = 840  # pixels of the animated picture


def opened(browser: Browser, url: str, width: int = 1440, scheme: str = "light") -> Page:
    """A page at rest, without motion of its own."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme,
                                  reduced_motion="reduce")
    context.set_default_timeout(120_000)
    page = context.new_page()
    page.goto(url)
    at_rest(page)
    return page


def first_screen(page: Page, path: Path) -> None:
    """One turn of the slider, then the trigger off, as an animated picture."""
    page.set_viewport_size({"width": 1440, "height": 1500})  # the menu would cover a part's top
    part, slider = page.locator(".touch"), page.locator("input.step")
    frames = [_picture(part.screenshot())]
    for _ in range(int(slider.get_attribute("max") or 0)):
        slider.press("ArrowRight")
        page.wait_for_timeout(400)
        frames.append(_picture(part.screenshot()))
    page.get_by_role("switch").press("Space")
    page.wait_for_timeout(400)
    frames.append(_picture(part.screenshot()))
    times = [PAUSE, *[FRAME] * (len(frames) - 3), PAUSE, PAUSE]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=times, loop=0,
                   quality=80, method=6)


def _picture(shot: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(shot)).convert("RGB")
    tall = round(image.height * WIDE / image.width)
    return image.resize((WIDE, tall), Image.Resampling.LANCZOS)


def pictures(browser: Browser, url: str) -> None:
    """Those of the README and the documentation."""
    start = opened(browser, f"{url}/?step=100")
    start.screenshot(path=ROOT / "assets" / "screenshot.png")
    first_screen(opened(browser, f"{url}/?step=0"), ROOT / "docs" / "assets" / "first_screen.webp")
    runs = ",".join(f"signs-{attack}-s0-race" for attack in ("badnets", "blend", "wanet"))
    compare = opened(browser, f"{url}/compare?runs={runs}")
    whole(compare, ROOT / "docs" / "assets" / "compare.png", most=1500)


def every_page(browser: Browser, url: str, folder: Path) -> None:
    """All pages in all widths and modes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        for width in WIDTHS:
            for scheme in SCHEMES:
                page = opened(browser, f"{url}/{'' if name == 'start' else name}", width, scheme)
                whole(page, folder / f"{name}-{width}-{scheme}.png")
                page.context.close()


def main() -> None:
    """Walk, and write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every page, into this folder")
    given = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("There is no Chromium on the PATH. Install one: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server, \
            sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        if given.all:
            every_page(browser, server.url, given.all)
        else:
            pictures(browser, server.url)
        browser.close()


if __name__ == "__main__":
    main()
